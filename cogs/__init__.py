"""The commands of the bot, one cog per module; each gets what it needs as arguments."""
