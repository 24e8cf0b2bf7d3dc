//! The server of a connection string, and how it is trusted.

use std::{
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
};

use super::{Encryption, Server, SettingsError, Trust, values::Values};
use crate::connection::{connection_string::Form, keywords::Field};

const DEFAULT_PORT: u16 = 1433;
/// Named pipes, shared memory, the administrator's own connection, and VIA.
const OTHER_PROTOCOLS: [&str; 4] = ["np", "lpc", "admin", "via"];

/// Reads `tcp:host\instance,port` (ADO.NET and ODBC) or `host\instance:port` (JDBC).
pub(super) fn server(values: &Values) -> Result<Server, SettingsError> {
    let Some((key, text)) = values.get(Field::Server) else {
        return Err(values.error("has no `Server`; write `Server=tcp:NAME.database.windows.net,1433`"));
    };
    let refused = |problem: String| Err(values.error(format!("`{key}={text}` {problem}")));
    if text.contains(['@', '/', '=']) {
        // It may hold a user and a password: not shown.
        return Err(
            values.error(format!("`{key}` is no host and port; write `tcp:NAME.database.windows.net,1433`"))
        );
    }
    // A JDBC host is followed by a colon too.
    let protocol = text.split_once(':').filter(|_| values.form != Form::Jdbc);
    let (protocol, place) = match protocol {
        Some((protocol, place)) if protocol.eq_ignore_ascii_case("tcp") => ("tcp:", place.trim()),
        Some((protocol, _)) if OTHER_PROTOCOLS.iter().any(|known| known.eq_ignore_ascii_case(protocol)) => {
            return refused(format!(
                "asks for `{protocol}:`, and only TCP is spoken; write `{key}=tcp:HOST,1433`"
            ));
        }
        _ => ("", text),
    };
    if place.starts_with(r"\\") {
        return refused("is a named pipe, and only TCP is spoken; write `Server=tcp:HOST,1433`".into());
    }
    if place.to_ascii_lowercase().starts_with("(localdb)") {
        return refused(
            "is LocalDB, which is on Windows only; use a SQL Server container at localhost,1433".into(),
        );
    }

    let (rest, port) = match values.form {
        Form::Jdbc => split_port(place, ':'),
        Form::AdoNet | Form::Odbc => split_port(place, ','),
    };
    let port = port.map(|port| parse_port(values, key, port)).transpose()?;
    let own_port =
        values.get(Field::Port).map(|(key, text)| Ok((key, parse_port(values, key, text)?))).transpose()?;
    let port = match (port, own_port) {
        (Some(port), Some((port_key, other))) if port != other => {
            return Err(
                values.error(format!("`{key}` says port {port} and `{port_key}` says {other}; keep one"))
            );
        }
        (port, other) => port.or(other.map(|(_, port)| port)),
    };
    let (host, instance) = match rest.split_once('\\') {
        Some((host, instance)) => (host.trim(), Some(instance)),
        None => (rest.trim(), values.get(Field::Instance).map(|(_, instance)| instance)),
    };
    if let (Some(instance), None) = (instance, port) {
        return refused(format!(
            "names the instance `{instance}` and no port; SQL Server Browser is not asked for it: write the port, \
             such as `{key}={host},1433`"
        ));
    }
    let host = match host {
        "." | "(local)" => "localhost".to_owned(),
        host => host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase(),
    };
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() {
        return refused("names no host; write `tcp:NAME.database.windows.net,1433`".into());
    }
    if host.parse::<Ipv6Addr>().is_err() && !host.chars().all(good) {
        let separator = if values.form == Form::Jdbc { ':' } else { ',' };
        return refused(format!("is no host and port; expected `{protocol}HOST{separator}1433`"));
    }
    Ok(Server { host, port: port.unwrap_or(DEFAULT_PORT) })
}

/// Splits at the last separator, which may also be inside of an IPv6 address.
fn split_port(place: &str, separator: char) -> (&str, Option<&str>) {
    match place.rsplit_once(separator) {
        Some((host, port)) if place.parse::<Ipv6Addr>().is_err() && !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    }
}

fn parse_port(values: &Values, key: &str, text: &str) -> Result<u16, SettingsError> {
    match text.trim().parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(values.error(format!("`{key}`: `{}` is no port; expected 1 to 65535", text.trim()))),
    }
}

impl Server {
    /// Whether the server is on this machine, by its name alone.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Reads which certificates are trusted.
pub(super) fn trust(
    values: &Values,
    server: &Server,
    encryption: Encryption,
) -> Result<Trust, SettingsError> {
    let certificate = values.get(Field::ServerCertificate);
    let name = values.get(Field::HostNameInCertificate);
    if !values.flag(Field::TrustServerCertificate)? {
        let host_name_in_certificate =
            name.map(|name| expected_name(values, server, name)).transpose()?.flatten();
        return Ok(Trust::WebPki {
            extra_ca: certificate.map(|(_, path)| PathBuf::from(path)),
            host_name_in_certificate,
        });
    }
    let (key, yes) = values.get(Field::TrustServerCertificate).unwrap_or(("TrustServerCertificate", "yes"));
    if !server.is_loopback() {
        return Err(values.error(format!(
            "`{key}={yes}` is refused for {}: anybody on the way could read the token; write `{key}=no`, and where \
             the certificate is not a public one, `ServerCertificate=FILE.pem`",
            server.host
        )));
    }
    if let Some((other, _)) = certificate.or(name) {
        return Err(values.error(format!("`{key}={yes}` and `{other}` contradict each other; remove one")));
    }
    if encryption == Encryption::Strict {
        return Err(values.error(format!(
            "`{key}={yes}` and `Encrypt=strict` contradict each other: strict verifies the certificate; remove one"
        )));
    }
    Ok(Trust::Anything)
}

/// The name to expect in the certificate, where it is not the server's own. The portal writes
/// `*.database.windows.net`, which the server's own name satisfies: then that is expected, which is stricter.
fn expected_name(
    values: &Values,
    server: &Server,
    (key, name): (&str, &str),
) -> Result<Option<String>, SettingsError> {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix('*') {
        None if name == server.host => Ok(None),
        None => Ok(Some(name)),
        Some(suffix) => {
            let label = server.host.strip_suffix(suffix).unwrap_or_default();
            if suffix.starts_with('.') && !label.is_empty() && !label.contains('.') {
                return Ok(None);
            }
            Err(values.error(format!(
                "`{key}={name}` does not fit the server `{}`; write the exact name in its certificate, or leave it out",
                server.host
            )))
        }
    }
}
