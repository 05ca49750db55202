"""power watches power: the autonomy model in core, NUT, SNMP and Modbus in io."""
