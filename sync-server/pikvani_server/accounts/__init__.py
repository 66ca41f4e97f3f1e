"""Who may use the centre: people with roles, sessions and second factors; programs with tokens. No web in here."""
