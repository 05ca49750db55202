"""What others do under the same cut, measured with the same probes."""
