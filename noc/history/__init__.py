"""History of readings: latest values in memory, samples in time partitions with roll-ups in a file of its own.

    readings -> Recorder (latest values, the present minute) -> once a tick, in a thread -> HistoryStore

The alarm path never waits for any of it: what does not fit is dropped and counted.
"""
