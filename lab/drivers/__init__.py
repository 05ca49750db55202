"""Carries out the lab's topology: in network namespaces now, in containers later, behind `lab.driver.Driver`."""
