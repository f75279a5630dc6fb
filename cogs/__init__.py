"""What people can say to the bot: one cog a module, thin, handed what it needs by keyword."""
