//! The todo list: GET, POST, PATCH and DELETE on `todos/{id:int?}`, every write with its line in the audit.

use serde::{Deserialize, Deserializer, Serialize};
use sqlscope::{
    Error, Request, RequestExt, Response, Result, Session,
    http::{Method, StatusCode, header, json, json_with, status},
    session,
};
use time::OffsetDateTime;

/// A row of dbo.todo.
#[derive(Debug, Serialize, Deserialize)]
struct Todo {
    id: i32,
    title: String,
    done: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

#[derive(Serialize)]
struct Page {
    items: Vec<Todo>,
    next: Option<i32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTodo {
    title: String,
    #[serde(default)]
    done: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "given")]
    title: Option<String>,
    #[serde(default, deserialize_with = "given")]
    done: Option<bool>,
}

/// A field that may be absent, but not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

pub(crate) async fn handle(request: Request, session: &Session) -> Result<Response> {
    let id: Option<i32> = request.param_opt("id")?;
    match (request.method().as_str(), id) {
        ("GET", None) => list(&request, session).await,
        ("GET", Some(id)) => read(id, session).await,
        ("POST", None) => create(&request, session).await,
        ("PATCH", Some(id)) => change(id, &request, session).await,
        ("DELETE", Some(id)) => delete(id, session).await,
        (_, None) => Err(Error::MethodNotAllowed { allow: vec![Method::GET, Method::POST] }),
        (_, Some(_)) => {
            Err(Error::MethodNotAllowed { allow: vec![Method::GET, Method::PATCH, Method::DELETE] })
        }
    }
}

async fn list(request: &Request, session: &Session) -> Result<Response> {
    let done: Option<bool> = request.query("done")?;
    let limit: i64 = request.query("limit")?.unwrap_or(20);
    let after: i32 = request.query("after")?.unwrap_or(0);
    if !(1..=100).contains(&limit) {
        return Err(Error::bad_request("limit", "`limit` must be a whole number from 1 to 100"));
    }
    // One more than asked for tells whether there is a next page.
    let mut items: Vec<Todo> = session
        .query(
            "SELECT TOP (@P1) id, title, done, created_at FROM dbo.todo \
             WHERE id > @P2 AND (@P3 IS NULL OR done = @P3) ORDER BY id",
            &[&(limit + 1), &after, &done],
        )
        .await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().map(|todo| todo.id).filter(|_| more);
    Ok(json(&Page { items, next }))
}

async fn read(id: i32, session: &Session) -> Result<Response> {
    let todo: Option<Todo> =
        session.query_opt("SELECT id, title, done, created_at FROM dbo.todo WHERE id = @P1", &[&id]).await?;
    Ok(json(&todo.ok_or_else(|| not_found(id))?))
}

async fn create(request: &Request, session: &Session) -> Result<Response> {
    let new: NewTodo = request.json()?;
    check_title(&new.title)?;
    let todo: Todo = session
        .transaction(async {
            let todo: Todo = session
                .query_one(
                    "INSERT INTO dbo.todo (title, done) \
                     OUTPUT inserted.id, inserted.title, inserted.done, inserted.created_at VALUES (@P1, @P2)",
                    &[&new.title, &new.done],
                )
                .await?;
            audit("created", todo.id).await?;
            Ok(todo)
        })
        .await?;
    let mut response = json_with(StatusCode::CREATED, &todo);
    let location = format!("{}/{}", request.uri().path().trim_end_matches('/'), todo.id);
    response.headers_mut().insert(header::LOCATION, location.parse().map_err(Error::other)?);
    Ok(response)
}

async fn change(id: i32, request: &Request, session: &Session) -> Result<Response> {
    let change: Change = request.json()?;
    if change.title.is_none() && change.done.is_none() {
        return Err(Error::bad_request("title", "nothing to change: give `title`, `done` or both"));
    }
    if let Some(title) = &change.title {
        check_title(title)?;
    }
    let todo: Todo = session
        .transaction(async {
            let todo: Option<Todo> = session
                .query_opt(
                    "UPDATE dbo.todo SET title = COALESCE(@P2, title), done = COALESCE(@P3, done) \
                     OUTPUT inserted.id, inserted.title, inserted.done, inserted.created_at WHERE id = @P1",
                    &[&id, &change.title, &change.done],
                )
                .await?;
            let todo = todo.ok_or_else(|| not_found(id))?;
            audit("changed", id).await?;
            Ok(todo)
        })
        .await?;
    Ok(json(&todo))
}

async fn delete(id: i32, session: &Session) -> Result<Response> {
    session
        .transaction(async {
            let deleted = session.execute("DELETE FROM dbo.todo WHERE id = @P1", &[&id]).await?;
            if deleted == 0 {
                return Err(not_found(id));
            }
            audit("deleted", id).await
        })
        .await?;
    Ok(status(StatusCode::NO_CONTENT))
}

/// Nothing is handed down: the session is the invocation's, and the transaction the one around the call.
async fn audit(what: &'static str, todo: i32) -> Result<()> {
    session::current()?
        .execute("INSERT INTO dbo.todo_audit (todo_id, what) VALUES (@P1, @P2)", &[&todo, &what])
        .await?;
    Ok(())
}

fn check_title(title: &str) -> Result<()> {
    match title.chars().count() {
        1..=200 => Ok(()),
        _ => Err(Error::bad_request("title", "`title` must have 1 to 200 characters")),
    }
}

fn not_found(id: i32) -> Error {
    Error::NotFound(format!("There is no todo {id}.").into())
}
