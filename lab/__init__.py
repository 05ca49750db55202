"""lab is where fibres are cut on purpose: topology, drivers, faults with an undo journal, drills, scorecards."""
