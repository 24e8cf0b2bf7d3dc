//! The tables on which MERGE is tried.

use super::{Sql, run};

/// Three products, and what is known of them elsewhere.
pub(crate) async fn stock(sql: &mut Sql) {
    run(
        sql,
        "CREATE TABLE product (id int IDENTITY(10, 10) PRIMARY KEY, name nvarchar(20) NOT NULL UNIQUE, amount int NOT NULL \
         DEFAULT 1 CONSTRAINT enough CHECK (amount >= 0), price decimal(9, 2)); \
         INSERT product (name, amount, price) VALUES ('apple', 5, 1.50), ('pear', 3, 2), ('plum', 9, NULL); \
         CREATE TABLE delivery (name nvarchar(20), amount int); \
         INSERT delivery VALUES ('Apple', 2), ('pear', -3), ('fig', 7)",
    )
    .await;
}

pub(crate) const PRODUCTS: &str = "SELECT id, name, amount FROM product ORDER BY id";
