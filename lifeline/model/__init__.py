"""What the network is (inventory) and what is said about it (records): frozen, slotted, validated.

Import from `lifeline.model.inventory` and `lifeline.model.records`; this package stays empty so that a process that
needs only records never pays for the inventory.
"""
