"""What a run gave, for people and programs: reports and tables of results."""
