//! Bulk loads through tiberius: all rows or none, with their NULLs, defaults and identities.

mod common;

use common::{azure, fails, run};
use tiberius::{IntoRow, TokenRow, numeric::Numeric};

#[tokio::test]
async fn a_bulk_load_brings_its_rows_and_leaves_the_identity_to_the_server() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (id int IDENTITY PRIMARY KEY, name nvarchar(max), kilos decimal(9, 2) NOT NULL)",
    )
    .await;
    let mut load = sql.bulk_insert("t").await.expect("INSERT BULK");
    for n in 0..2000 {
        let name = (n % 3 != 0).then(|| "é日本".repeat(n % 50));
        let row: TokenRow<'_> = (name, Numeric::new_with_scale(n as i128 * 25, 2)).into_row();
        load.send(row).await.expect("a row");
    }
    assert_eq!(load.finalize().await.expect("loaded").total(), 2000);
    let row = sql
        .simple_query(
            "SELECT COUNT(*), COUNT(name), MIN(id), MAX(id), SUM(kilos), MAX(LEN(name)) FROM t WHERE id = 2000 OR id < 3",
        )
        .await
        .expect("sent")
        .into_row()
        .await
        .expect("rows")
        .expect("a row");
    let numbers = [0, 1, 2, 3, 5].map(|at| row.get::<i32, _>(at));
    assert_eq!(numbers, [3, 2, 1, 2000, 147].map(Some));
    assert_eq!(row.get::<Numeric, _>(4), Some(Numeric::new_with_scale(50_000, 2)));
}

#[tokio::test]
async fn a_bulk_load_with_a_bad_row_leaves_none() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL CHECK (n < 10))").await;
    let mut load = sql.bulk_insert("t").await.expect("INSERT BULK");
    for n in 0..20 {
        load.send((n, n).into_row()).await.expect("a row");
    }
    let refused = load.finalize().await.expect_err("a check");
    assert_eq!(common::number(&refused), 547);
    run(&mut sql, "IF EXISTS (SELECT 1 FROM t) THROW 50000, 'rows', 1").await;
    assert_eq!(fails(&mut sql, "INSERT BULK nowhere (id int)").await, 208);
}
