//! Text read as dates and numbers where the language is us_english: CAST, and PARSE.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn dates_are_read_as_us_english_writes_them() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (d date, m datetime); INSERT t VALUES ('12/31/2026', 'Dec 31, 2026 3:45 PM')",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT CONVERT(varchar(10), d, 23), CONVERT(varchar(19), m, 120) FROM t",
            "2026-12-31, 2026-12-31 15:45:00",
        ),
        ("SELECT COUNT(*) FROM t WHERE d = '31-Dec-2026' AND m > '12/31/26'", "1"),
        (
            "SELECT DATEDIFF(day, '1/1/2026', 'January 11 2026'), DATEPART(month, '5/6/2026'), ISDATE('2/30/2026'), ISDATE('2/28/2026')",
            "10, 5, 0, 1",
        ),
        (
            "SELECT CONVERT(varchar(19), CAST(CAST(m AS varchar(30)) AS datetime), 120) FROM t",
            "2026-12-31 15:45:00",
        ),
        (
            "SELECT CONVERT(varchar(10), CONVERT(date, '04/03/2026', 103), 23), IIF(TRY_CAST('31/12/2026' AS date) IS NULL, 1, 0)",
            "2026-03-04, 1",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT CAST('13/13/2026' AS date)").await, 241);
}
