"""timesync watches time: source arbitration in core, gpsd, chrony and SNMP clocks in io."""
