"""What all tests share: properties have no deadline, because the machine is shared and timing is measured in bench/."""

from hypothesis import settings

settings.register_profile("lifeline", deadline=None, print_blob=True)
settings.load_profile("lifeline")
