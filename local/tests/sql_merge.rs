//! MERGE: which rows it changes and how, what it tells of them, and what it refuses.

mod common;

use common::{Sql, azure, fails, rows, run, shop::stock};

/// What is in the table after a batch; then as it was before.
async fn after(sql: &mut Sql, text: &str) -> String {
    run(sql, &format!("BEGIN TRANSACTION; {text}")).await;
    let found = rows(sql, "SELECT name, amount FROM product ORDER BY name").await;
    run(sql, "ROLLBACK").await;
    found
}

#[tokio::test]
async fn each_row_meets_the_first_clause_that_holds() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    stock(&mut sql).await;
    for (text, expected) in [
        (
            "MERGE product AS p USING delivery AS d ON d.name = p.name WHEN MATCHED THEN UPDATE SET amount = p.amount + d.amount;",
            "apple, 7 | pear, 0 | plum, 9",
        ),
        (
            "MERGE INTO dbo.product WITH (HOLDLOCK) AS p USING delivery d ON d.name = p.name \
             WHEN MATCHED AND p.amount + d.amount = 0 THEN DELETE \
             WHEN MATCHED THEN UPDATE SET p.amount += d.amount, price = DEFAULT \
             WHEN NOT MATCHED BY TARGET THEN INSERT (name, amount) VALUES (d.name, d.amount);",
            "apple, 7 | fig, 7 | plum, 9",
        ),
        (
            "MERGE product p USING delivery d ON d.name = p.name WHEN NOT MATCHED BY SOURCE AND p.amount > 8 THEN UPDATE SET amount = 0 \
             WHEN NOT MATCHED BY SOURCE THEN DELETE;",
            "apple, 5 | pear, 3 | plum, 0",
        ),
        (
            "MERGE product USING delivery ON delivery.name = product.name \
             WHEN NOT MATCHED THEN INSERT (name) VALUES (delivery.name) WHEN NOT MATCHED BY SOURCE THEN DELETE;",
            "apple, 5 | fig, 1 | pear, 3",
        ),
        (
            "MERGE product p USING delivery d ON d.name = p.name WHEN NOT MATCHED AND d.amount > 100 THEN INSERT (name) VALUES (d.name);",
            "apple, 5 | pear, 3 | plum, 9",
        ),
        (
            "IF 1 = 1 MERGE product p USING delivery d ON d.name = p.name \
             WHEN MATCHED AND EXISTS (SELECT p.amount EXCEPT SELECT d.amount + 3) THEN UPDATE SET amount = 77; ELSE DELETE product;",
            "apple, 5 | pear, 77 | plum, 9",
        ),
        (
            "EXEC('CREATE VIEW few AS SELECT name AS n, amount FROM delivery WHERE amount > 0'); \
             MERGE product USING few ON few.n = product.name WHEN MATCHED THEN UPDATE SET product.amount = few.amount;",
            "apple, 2 | pear, 3 | plum, 9",
        ),
        (
            "SET IDENTITY_INSERT product ON; MERGE product p USING (SELECT 5 AS id) AS s ON s.id = p.id \
             WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, CONCAT('n', s.id)); SET IDENTITY_INSERT product OFF; \
             UPDATE product SET amount = id WHERE id < 10",
            "apple, 5 | n5, 5 | pear, 3 | plum, 9",
        ),
        // Its own state before any change decides: no row that was inserted matches another of the source.
        (
            "MERGE product p USING (VALUES ('a', 1), ('b', 2)) AS v (name, amount) ON p.name = v.name OR p.amount = 0 \
             WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (v.name, 0);",
            "a, 0 | apple, 5 | b, 0 | pear, 3 | plum, 9",
        ),
        (
            "WITH much AS (SELECT name, amount FROM delivery WHERE amount > 0) MERGE product p USING much ON much.name = p.name \
             WHEN MATCHED THEN UPDATE SET amount = much.amount WHEN NOT MATCHED THEN INSERT VALUES (much.name, DEFAULT, 3);",
            "apple, 2 | fig, 1 | pear, 3 | plum, 9",
        ),
        (
            "MERGE product p USING (SELECT d.name, SUM(d.amount) AS n FROM delivery d GROUP BY d.name) AS s ON s.name = p.name \
             WHEN MATCHED AND EXISTS (SELECT 1 FROM delivery x WHERE x.name = p.name AND x.amount > 0) THEN UPDATE SET amount = s.n;",
            "apple, 2 | pear, 3 | plum, 9",
        ),
        (
            "MERGE product p USING delivery d JOIN (VALUES ('fig')) AS v (name) ON v.name = d.name ON p.name = d.name \
             WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (v.name, d.amount) WHEN NOT MATCHED BY SOURCE AND p.name LIKE 'p%' THEN DELETE;",
            "apple, 5 | fig, 7",
        ),
        // A name that one row has and another is given: DELETE and UPDATE come first.
        (
            "MERGE product p USING (VALUES (10, 'pear'), (20, ''), (0, 'apple')) AS v (id, name) ON v.id = p.id \
             WHEN MATCHED AND v.name = '' THEN DELETE WHEN MATCHED THEN UPDATE SET name = v.name \
             WHEN NOT MATCHED THEN INSERT (name) VALUES (v.name);",
            "apple, 1 | pear, 5 | plum, 9",
        ),
        (
            "MERGE product p USING delivery d ON 1 = 0 WHEN NOT MATCHED AND d.name = 'fig' THEN INSERT (name, amount) VALUES (d.name, d.amount);",
            "apple, 5 | fig, 7 | pear, 3 | plum, 9",
        ),
    ] {
        assert_eq!(after(&mut sql, text).await, expected, "{text}");
    }
    // Values of a clause that does not hold are not asked for.
    let text = "MERGE product p USING delivery d ON d.name = p.name WHEN MATCHED AND p.amount + d.amount <> 0 \
                THEN UPDATE SET amount = 70 / (p.amount + d.amount);";
    assert_eq!(after(&mut sql, text).await, "apple, 10 | pear, 3 | plum, 9");
}

#[tokio::test]
async fn output_tells_of_each_row_what_was_done_and_from_what() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    stock(&mut sql).await;
    run(&mut sql, "CREATE TABLE log (what nvarchar(10), id int, note nvarchar(50) DEFAULT 'none')").await;
    let merge = "MERGE product AS p USING delivery AS d ON d.name = p.name \
                 WHEN MATCHED AND p.amount + d.amount = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = p.amount + d.amount \
                 WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (d.name, d.amount)";
    for (output, expected) in [
        (
            "OUTPUT $action, inserted.id, deleted.id, inserted.amount, deleted.amount AS was, d.amount;",
            "UPDATE, 10, 10, 7, 5, 2 | DELETE, NULL, 20, NULL, 3, -3 | INSERT, 40, NULL, 7, NULL, 7",
        ),
        (
            "OUTPUT inserted.*, d.*, UPPER(CONCAT(inserted.name, '-', deleted.name)), $action AS done;",
            "10, apple, 7, 1.50, Apple, 2, APPLE-APPLE, UPDATE | NULL, NULL, NULL, NULL, pear, -3, -PEAR, DELETE | \
             50, fig, 7, NULL, fig, 7, FIG-, INSERT",
        ),
        (
            "OUTPUT $action, COALESCE(inserted.id, deleted.id) INTO log (what, id); SELECT @@ROWCOUNT, COUNT(*), MAX(note) FROM log",
            "3, 3, none",
        ),
        (
            "OUTPUT CASE $action WHEN 'INSERT' THEN 'new' ELSE 'old' END, IIF($action = N'DELETE', YEAR(DATEADD(day, 366, '2024-01-01')), NULL);",
            "old, NULL | old, 2025 | new, NULL",
        ),
        (
            "OUTPUT deleted.name, $action INTO @made; SELECT what, name FROM @made ORDER BY what",
            "DELETE, pear | INSERT, NULL | UPDATE, apple",
        ),
    ] {
        let text = format!(
            "DECLARE @made TABLE (name nvarchar(20), what nvarchar(10)); BEGIN TRANSACTION; {merge} {output}; ROLLBACK"
        );
        assert_eq!(rows(&mut sql, &text).await, expected, "{text}");
    }
    for (output, number) in [
        ("OUTPUT p.id;", 4104),
        ("OUTPUT inserted.nope;", 207),
        ("OUTPUT nope.id;", 4104),
        ("OUTPUT amount;", 209),
        ("OUTPUT inserted.id INTO #none;", 208),
    ] {
        assert_eq!(fails(&mut sql, &format!("{merge} {output}")).await, number, "{output}");
    }
    let results = sql.simple_query(format!("{merge} OUTPUT $action, inserted.price;")).await.expect("sent");
    let found = results.into_first_result().await.expect("rows");
    let columns: Vec<_> = found[0].columns().iter().map(|column| column.name().to_owned()).collect();
    assert_eq!(columns, ["$action", "price"]);
    assert_eq!(found[0].get::<&str, _>(0), Some("UPDATE"));
}

#[tokio::test]
async fn the_count_of_rows_is_that_of_all_changes() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    stock(&mut sql).await;
    let merge = |top: &str| {
        format!(
            "BEGIN TRANSACTION; MERGE {top} product p USING delivery d ON d.name = p.name WHEN MATCHED THEN UPDATE SET price = 1 \
             WHEN NOT MATCHED THEN INSERT (name) VALUES (d.name) WHEN NOT MATCHED BY SOURCE THEN DELETE; \
             SELECT @@ROWCOUNT, SCOPE_IDENTITY(); ROLLBACK"
        )
    };
    let text = merge("");
    let counts = sql.simple_query(text.clone()).await.expect("sent").into_results().await.expect("run");
    assert_eq!(counts.last().expect("a result")[0].get::<i32, _>(0), Some(4));
    for (top, expected) in [("TOP (2)", 2), ("TOP (50) PERCENT", 2), ("TOP (0)", 0), ("TOP (99) INTO", 4)] {
        let found = sql.simple_query(merge(top)).await.expect("sent").into_results().await.expect("run");
        assert_eq!(found.last().expect("a result")[0].get::<i32, _>(0), Some(expected), "{top}");
    }
    let changed = sql
        .execute(
            "MERGE product WITH (HOLDLOCK) AS t USING (VALUES (@P1, @P2)) AS s (name, amount) ON t.name = s.name \
             WHEN MATCHED THEN UPDATE SET amount = s.amount WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (s.name, s.amount);",
            &[&"plum", &1i32],
        )
        .await
        .expect("run");
    assert_eq!(changed.total(), 1);
    assert_eq!(rows(&mut sql, "SELECT amount FROM product WHERE name = 'plum'").await, "1");
}

#[tokio::test]
async fn an_upsert_makes_a_row_once_and_changes_it_then() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE setting (id int IDENTITY PRIMARY KEY, name nvarchar(20) UNIQUE, value nvarchar(20), changed datetime2(3), \
         doubled AS value + value)",
    )
    .await;
    let upsert = "DECLARE @done TABLE (what nvarchar(10), id int); \
                  MERGE INTO setting WITH (HOLDLOCK, ROWLOCK) AS t USING (SELECT @P1 AS name, @P2 AS value) AS s ON (t.name = s.name) \
                  WHEN MATCHED THEN UPDATE SET t.value = s.value, t.changed = '2024-02-03 04:05:06' \
                  WHEN NOT MATCHED THEN INSERT (name, value) VALUES (s.name, s.value) OUTPUT $action, inserted.id INTO @done; \
                  SELECT what, id FROM @done";
    for (value, expected) in [("a", ("INSERT", 1)), ("b", ("UPDATE", 1)), ("c", ("UPDATE", 1))] {
        let answer = sql.query(upsert, &[&"Colour", &value]).await.expect("sent");
        let results = answer.into_results().await.expect("run");
        let row = &results.last().expect("a result")[0];
        assert_eq!(
            (row.get::<&str, _>(0).expect("an action"), row.get::<i32, _>(1).expect("an id")),
            expected
        );
    }
    assert_eq!(
        rows(&mut sql, "SELECT id, name, value, doubled, CONVERT(varchar(30), changed, 121) FROM setting")
            .await,
        "1, Colour, c, cc, 2024-02-03 04:05:06.000"
    );
    run(
        &mut sql,
        "CREATE TABLE #t (id int PRIMARY KEY, n int DEFAULT 7); DECLARE @t TABLE (id int, n int DEFAULT 8); \
         MERGE #t AS t USING (SELECT 1 AS id) AS s ON s.id = t.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id); \
         MERGE @t AS t USING #t AS s ON s.id = t.id WHEN NOT MATCHED THEN INSERT DEFAULT VALUES; \
         IF NOT EXISTS (SELECT 1 FROM @t WHERE id IS NULL AND n = 8) THROW 50000, 'no defaults', 1; \
         IF NOT EXISTS (SELECT 1 FROM #t WHERE id = 1 AND n = 7) THROW 50000, 'no default', 1",
    )
    .await;
}
