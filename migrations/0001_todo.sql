CREATE TABLE dbo.todo (
    id int IDENTITY(1, 1) NOT NULL CONSTRAINT pk_todo PRIMARY KEY,
    title nvarchar(400) NOT NULL,
    done bit NOT NULL CONSTRAINT df_todo_done DEFAULT 0,
    created_at datetimeoffset(3) NOT NULL CONSTRAINT df_todo_created_at DEFAULT SYSDATETIMEOFFSET()
);

CREATE TABLE dbo.todo_audit (
    id int IDENTITY(1, 1) NOT NULL CONSTRAINT pk_todo_audit PRIMARY KEY,
    todo_id int NOT NULL,
    what nvarchar(20) NOT NULL,
    at datetimeoffset(3) NOT NULL CONSTRAINT df_todo_audit_at DEFAULT SYSDATETIMEOFFSET()
);

CREATE INDEX ix_todo_audit_todo_id ON dbo.todo_audit (todo_id);
