"""SeaweedFS's topology: how many copies there are and where, what lies on which server, and how it moves."""
