"""What-if: kept topics taken the hub's own road once more, with the rules in force and with proposed ones. Nothing is sent."""
