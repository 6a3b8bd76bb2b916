"""Schema of a database: opening it, migrations, commands for administrators."""
