"""The servers of an embedded install: a real PostgreSQL and a real Valkey out of two wheels, nothing to set up.

Nothing in this package needs Django: it runs before the settings are read.

- `processes`: children that cannot outlive their parent.
- `homes`: the folder that keeps all state; its lock, its secrets and what runs in it.
- `places`: where programs and data lie so that PostgreSQL can reach them, also when root starts it.
- `postgresql`, `valkey`: how each of the two is made, started and waited for.
- `servers`: both together, for one command or for a whole `run`.
"""
