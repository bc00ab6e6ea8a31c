select version_num::text from alembic_version
