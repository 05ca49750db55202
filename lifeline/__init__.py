"""lifeline is the kernel that every part shares. It knows no device, no screen, no sensor."""
