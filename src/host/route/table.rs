//! Which function a method and a path belong to, chosen as the Functions host chooses.

use std::cmp::Ordering;

use http::Method;

use super::{Params, Part, RouteTemplate, decode, next_piece};
use crate::host::project::{Mode, Project, ProjectError};

/// The routes of a project in the order in which the Functions host tries them.
#[derive(Debug, Clone)]
pub struct RouteTable {
    prefix: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    index: usize,
    methods: Vec<Method>,
    template: RouteTemplate,
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// A function: its place in [`Project::functions`], and the parameters of its route.
    Function {
        /// The place in [`Project::functions`].
        index: usize,
        /// The parameters of the route.
        params: Params,
    },
    /// The path has functions, none with this method.
    MethodNotAllowed {
        /// The methods that it does have.
        allow: Vec<Method>,
    },
    /// No function has this path.
    NotFound,
}

impl RouteTable {
    /// The routes of all HTTP functions of a project.
    ///
    /// # Errors
    /// Two functions that the host could not tell apart, or a route by which a caller from outside could
    /// reach the handler's `POST /{FunctionName}`.
    pub fn new(project: &Project) -> Result<RouteTable, ProjectError> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, function) in project.functions.iter().enumerate() {
            let Some(http) = &function.http else { continue };
            let entry = Entry { index, methods: http.methods.clone(), template: http.route.clone() };
            if let Some(twin) = entries.iter().find(|other| other.is_like(&entry)) {
                let other = &project.functions[twin.index];
                return Err(ProjectError::SameRoute {
                    first: other.file_name(),
                    first_route: twin.template.to_string(),
                    second: function.file_name(),
                    second_route: entry.template.to_string(),
                });
            }
            entries.push(entry);
        }
        entries.sort_by(|one, other| host_order(&one.template, &other.template));
        let prefix = project.route_prefix.split('/').filter(|piece| !piece.is_empty()).map(str::to_owned);
        let table = RouteTable { prefix: prefix.collect(), entries };
        table.refuse_ways_to_payload_functions(project)?;
        Ok(table)
    }

    /// The function that a method and a raw path (with the prefix) belong to. A query is ignored.
    pub fn find(&self, method: &Method, raw_path: &str) -> Found {
        let Some(rest) = self.after_prefix(raw_path) else { return Found::NotFound };
        let mut allow: Vec<Method> = Vec::new();
        for entry in &self.entries {
            let Some(params) = entry.template.matches_rest(rest) else { continue };
            if entry.takes(method) {
                return Found::Function { index: entry.index, params };
            }
            allow.extend(entry.methods.iter().cloned());
        }
        if allow.is_empty() {
            return Found::NotFound;
        }
        allow.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        allow.dedup();
        Found::MethodNotAllowed { allow }
    }

    fn after_prefix<'a>(&self, raw_path: &'a str) -> Option<&'a str> {
        let path = raw_path.split(['?', '#']).next().unwrap_or(raw_path);
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        for expected in &self.prefix {
            let piece = next_piece(&mut rest)?;
            if decode(piece).to_lowercase() != expected.to_lowercase() {
                return None;
            }
        }
        Some(rest)
    }

    /// The host passes `/Cleanup` of a forwarded route on as it is, and `POST /Cleanup` is also how it
    /// invokes the function of that name: a caller could invoke it (reference: functions-host.md, "Forwarding").
    fn refuse_ways_to_payload_functions(&self, project: &Project) -> Result<(), ProjectError> {
        for target in project.functions.iter().filter(|function| function.mode == Mode::Payload) {
            let path = format!("/{}", target.name);
            let Some(rest) = self.after_prefix(&path) else { continue };
            for entry in &self.entries {
                let function = &project.functions[entry.index];
                let open = function.mode != Mode::Payload && entry.takes(&Method::POST);
                if open && entry.template.matches_rest(rest).is_some() {
                    return Err(ProjectError::RouteReachesFunction {
                        file: function.file_name(),
                        route: entry.template.to_string(),
                        prefix: project.route_prefix.clone(),
                        target: target.file_name(),
                        path,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Entry {
    fn takes(&self, method: &Method) -> bool {
        self.methods.is_empty() || self.methods.contains(method)
    }

    /// Whether the host sees no difference between the two: the same literals and constraints at the same
    /// places, with a method in common. To its order a catch-all is a parameter as any other.
    fn is_like(&self, other: &Entry) -> bool {
        let methods = self.methods.is_empty()
            || other.methods.is_empty()
            || self.methods.iter().any(|method| other.methods.contains(method));
        methods && shape(&self.template) == shape(&other.template)
    }
}

fn shape(template: &RouteTemplate) -> Vec<Vec<String>> {
    let part = |part: &Part| match part {
        Part::Literal(literal) => literal.to_lowercase(),
        Part::Parameter(parameter) => format!("{{{:?}}}", parameter.constraints),
    };
    template.segments.iter().map(|segment| segment.iter().map(part).collect()).collect()
}

/// The order of `WebJobsRouteBuilder.RouteComparison` (azure-webjobs-sdk-extensions), which is not ASP.NET's
/// own: literals before parameters, more constraints before fewer, and longer templates before shorter ones.
fn host_order(one: &RouteTemplate, other: &RouteTemplate) -> Ordering {
    for (segment, counterpart) in one.segments.iter().zip(&other.segments) {
        // The host looks at the first part of a segment only. No segment is empty.
        let order = match (&segment[0], &counterpart[0]) {
            (Part::Literal(_), Part::Parameter(_)) => Ordering::Less,
            (Part::Parameter(_), Part::Literal(_)) => Ordering::Greater,
            (Part::Parameter(one), Part::Parameter(other)) => {
                other.constraints.len().cmp(&one.constraints.len())
            }
            (Part::Literal(one), Part::Literal(other)) => one.to_lowercase().cmp(&other.to_lowercase()),
        };
        if order.is_ne() {
            return order;
        }
    }
    other.segments.len().cmp(&one.segments.len())
}
