"""What the user gave becomes two runners and what each is called with."""
