"""WHAT ADMINS DO AND SEE, without the commands. All but reindexing and vectors is pure: figures in, words out.

reindexing.py  a run from chat: planned, carried out, told in one message; reporting.py: its words
listing.py     documents as a list
gaps.py        questions nobody's documents answered; grouping.py: those that mean the same
vectors.py     texts embedded once, for as long as the process lives
exporting.py   votes as a file for a spreadsheet
house.py       a guild's choices, shown and told
status.py      how the bot is doing
"""
