"""What a plan will take: its jobs, their hours, disk and memory, before anything runs."""
