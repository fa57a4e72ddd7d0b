"""The tables of the file of accounts, as the steps that bring each older version of it up to date."""

MIGRATIONS = (
    """
    CREATE TABLE accounts(
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE COLLATE NOCASE, role TEXT NOT NULL,
        folder TEXT NOT NULL UNIQUE, password TEXT, created REAL NOT NULL);
    CREATE TABLE sessions(
        hash BLOB PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
        created REAL NOT NULL, expires REAL NOT NULL, seen REAL NOT NULL, address TEXT NOT NULL);
    CREATE TABLE keys(
        id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
        name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, tail TEXT NOT NULL, per_minute INTEGER NOT NULL,
        created REAL NOT NULL, used REAL);
    CREATE TABLE audit(
        id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
        target TEXT NOT NULL, address TEXT NOT NULL);
    CREATE TABLE options(name TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
    # roles apart from the target, which version 1 wrote as `name (role)` and `name: role → role`
    """
    ALTER TABLE audit ADD COLUMN was TEXT NOT NULL DEFAULT '';
    ALTER TABLE audit ADD COLUMN became TEXT NOT NULL DEFAULT '';
    UPDATE audit SET
        target = substr(target, 1, instr(target, ' (') - 1),
        became = rtrim(substr(target, instr(target, ' (') + 2), ')')
        WHERE action = 'audit.account.create' AND target LIKE '% (%)';
    UPDATE audit SET
        target = substr(target, 1, instr(target, ': ') - 1),
        was = substr(target, instr(target, ': ') + 2, instr(target, ' → ') - instr(target, ': ') - 2),
        became = substr(target, instr(target, ' → ') + 3)
        WHERE action = 'audit.account.role' AND target LIKE '%: % → %';
    """,
    # rows of guests and of refused sign-ins, counted apart so that they never displace those of administrators
    """
    ALTER TABLE audit ADD COLUMN minor INTEGER NOT NULL DEFAULT 0;
    UPDATE audit SET minor = 1 WHERE action = 'audit.session.refused' OR who = 'guest';
    CREATE INDEX audit_minor ON audit(minor, id);
    CREATE INDEX audit_sign_ins ON audit(who, action, address);
    """,
)
