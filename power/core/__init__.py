"""Sans-IO: takes `now`, returns new state and effects; reads no clock, opens no socket."""
