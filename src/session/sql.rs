//! SQL text as a type: what stands in the program, or what somebody vouches for.

/// SQL that may be sent: a `&'static str`, or [`CheckedSql`]. Values belong in parameters (`@P1`, `@P2`, …).
///
/// ```compile_fail
/// # async fn f(session: &sqlscope::Session, name: String) -> sqlscope::Result<()> {
/// session.execute(format!("DELETE dbo.todo WHERE title = '{name}'"), &[]).await?; // does not compile
/// # Ok(())
/// # }
/// ```
///
/// ```
/// # async fn f(session: &sqlscope::Session, name: String) -> sqlscope::Result<()> {
/// session.execute("DELETE dbo.todo WHERE title = @P1", &[&name]).await?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not SQL that may be sent",
    label = "SQL is a `&'static str`, so that no request's text can become part of it",
    note = "put values into parameters: `session.query(\"… WHERE id = @P1\", &[&id])`",
    note = "text that was put together from checked parts goes into `CheckedSql(text)`"
)]
pub trait Sql: Send + sealed::Sealed {
    /// The text.
    fn text(self) -> std::borrow::Cow<'static, str>;
}

/// SQL text that was put together at run time, and that you have checked to hold nothing from outside.
#[derive(Debug, Clone)]
pub struct CheckedSql(pub String);

impl Sql for &'static str {
    fn text(self) -> std::borrow::Cow<'static, str> {
        self.into()
    }
}

impl Sql for CheckedSql {
    fn text(self) -> std::borrow::Cow<'static, str> {
        self.0.into()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &'static str {}
    impl Sealed for super::CheckedSql {}
}
