"""Every fusion: inside the network (`neural`), or of answers, by a classifier (`stacking`) or a rule (`rules`)."""
