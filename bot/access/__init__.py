"""WHO MAY SEE WHAT, AND WHAT IT MAY COST. What decides is pure; what looks at Discord or a file says so.

scopes.py      rules, people and places → a Scope
rules.py       @NAME.toml beside the documents → a Rule
visibility.py  Discord's people and channels → the same
customs.py     what a guild's admins have chosen
budgets.py     what may be asked and spent, and what was
admission.py   whether a question may be asked here and now
"""
