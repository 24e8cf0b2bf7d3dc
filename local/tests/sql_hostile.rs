//! Statements with words missing, doubled and swapped: each is answered, and the session lives on.

mod common;

use common::{azure, run};

const WHOLE: [&str; 16] = [
    "CREATE TABLE dbo.a ( id int IDENTITY ( 1 , 1 ) CONSTRAINT pk_a PRIMARY KEY , t nvarchar ( 10 ) NOT NULL DEFAULT 'x' )",
    "INSERT INTO dbo.a ( t ) OUTPUT inserted.id , inserted.t VALUES ( N'é' ) , ( DEFAULT )",
    "UPDATE a SET t = t + 'y' OUTPUT deleted.t , inserted.t WHERE id BETWEEN 1 AND 2",
    "DELETE FROM a OUTPUT deleted.id WHERE id IN ( SELECT MAX ( id ) FROM a )",
    "SELECT TOP ( 2 ) x.id , COUNT ( * ) AS n FROM a AS x LEFT JOIN a AS y ON x.id = y.id GROUP BY x.id ORDER BY 1 DESC",
    "WITH c AS ( SELECT 1 AS n UNION ALL SELECT 2 ) SELECT n FROM c ORDER BY n OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY",
    "DECLARE @n decimal ( 5 , 2 ) = 1.5 , @m int ; SET @m = @n * 2 ; SELECT @n = @m / 2 ; SELECT @n , @m",
    "IF EXISTS ( SELECT * FROM a ) BEGIN PRINT 'some' ; END ELSE SELECT CASE WHEN 1 = 1 THEN 'a' ELSE NULL END",
    "BEGIN TRAN ; SAVE TRAN s ; INSERT a ( t ) VALUES ( 1 ) ; ROLLBACK TRAN s ; COMMIT",
    "BEGIN TRY THROW 50001 , 'no' , 1 ; END TRY BEGIN CATCH SELECT ERROR_MESSAGE ( ) ; ROLLBACK ; END CATCH",
    "CREATE TABLE #t ( g uniqueidentifier DEFAULT NEWID ( ) , d datetime2 ( 3 ) CHECK ( d > '2020-01-01' ) ) ; DROP TABLE #t",
    "ALTER TABLE a ADD c varchar ( 5 ) NULL ; CREATE UNIQUE INDEX ix ON a ( c ) ; DROP INDEX ix ON a",
    "SELECT CAST ( '2026-01-31' AS datetimeoffset ) , CONVERT ( varchar ( 5 ) , 12345 ) , DATEADD ( month , 1 , '2026-01-31' )",
    "EXEC sp_executesql N'SELECT @p' , N'@p int' , @p = 5 ; EXEC sp_set_session_context 'k' , 'v'",
    "SET NOCOUNT ON ; SET XACT_ABORT OFF ; SET TRANSACTION ISOLATION LEVEL SNAPSHOT ; RAISERROR ( 'x %s' , 16 , 1 , 'y' )",
    "SELECT SUBSTRING ( 'abc' , -1 , 3 ) , CHARINDEX ( 'b' , 'abc' , 9 ) , LEFT ( 'ž' , -1 ) , REPLICATE ( 'x' , -1 ) , 0xFF",
];

/// The same sequence in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[tokio::test]
async fn every_broken_statement_is_answered() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let words: Vec<&str> = WHOLE.iter().flat_map(|text| text.split(' ')).collect();
    let mut dice = Dice(7);
    let (mut good, mut bad) = (0, 0);
    for turn in 0..1200 {
        let mut text: Vec<&str> = WHOLE[turn % WHOLE.len()].split(' ').collect();
        for _ in 0..dice.below(4) {
            let at = dice.below(text.len());
            match dice.below(4) {
                0 if text.len() > 1 => drop(text.remove(at)),
                1 => text.insert(at, words[dice.below(words.len())]),
                2 => text[at] = words[dice.below(words.len())],
                _ => text.swap(at, 0),
            }
        }
        let text = text.join(" ");
        let outcome = match sql.simple_query(text.clone()).await {
            Ok(answer) => answer.into_results().await.map(drop),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => good += 1,
            Err(tiberius::error::Error::Server(_)) => bad += 1,
            Err(other) => panic!("{text}: {other}"),
        }
    }
    assert!(good > 100 && bad > 100, "{good} good, {bad} bad");
    run(&mut sql, "IF @@TRANCOUNT > 0 ROLLBACK; SELECT 1").await;
    assert_eq!(azure.endpoint.counts().opened, 1);
}
