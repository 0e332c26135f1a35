"""The city's organisation: who serves which place, who is on duty, and when people work. Data, no state, no clock."""
