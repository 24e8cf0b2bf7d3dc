//! Who the app is: the credential that the settings and the environment choose, and its one cached token.

mod cache;
mod command;

use std::{fmt, sync::Arc, time::Duration};

use azure_core::{
    credentials::TokenCredential,
    error::ErrorKind,
    http::{ClientOptions, RetryOptions},
};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, DeveloperToolsCredential, DeveloperToolsCredentialOptions, Executor,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};

pub(crate) use cache::{Token, TokenCache};
use command::Commands;

use crate::connection::Credential;

/// No token could be had, or the credential cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct IdentityError {
    text: String,
    cause: Option<Arc<azure_core::Error>>,
}

impl IdentityError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        IdentityError { text: text.into(), cause: None }
    }

    fn of(what: &str, error: azure_core::Error) -> Self {
        let text = format!("{what}: {}", crate::error::chain(&error));
        IdentityError { text, cause: Some(Arc::new(error)) }
    }

    /// Whether asking again may help: the endpoint was busy or not there, as opposed to a refusal.
    pub(crate) fn is_transient(&self) -> bool {
        let Some(error) = &self.cause else { return true };
        // azure_identity wraps the answer of the endpoint in an error of its own.
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
        while let Some(error) = cause {
            if let Some(ErrorKind::HttpResponse { status, .. }) =
                error.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind)
            {
                let status = u16::from(*status);
                return status == 408 || status == 410 || status == 429 || status >= 500;
            }
            if let Some(ErrorKind::Io | ErrorKind::Connection) =
                error.downcast_ref::<azure_core::Error>().map(azure_core::Error::kind)
            {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// Where tokens come from: what makes a credential, and its name for logs.
///
/// A credential is made for each request: azure_identity's keep a token until five minutes before its end, and would
/// answer with it when it has been refused, or when it is to be renewed early.
#[derive(Clone)]
pub(crate) struct TokenSource {
    pub(crate) name: &'static str,
    /// How long one request may take.
    pub(crate) longest_request: Duration,
    make: Arc<dyn Fn() -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>,
}

impl TokenSource {
    /// A credential of the application's own, which is asked as it is.
    pub(crate) fn of_application(credential: Arc<dyn TokenCredential>) -> Self {
        TokenSource {
            name: "the application's credential",
            longest_request: LONGEST_COMMAND,
            make: Arc::new(move || Ok(credential.clone())),
        }
    }

    /// The source that the settings and the environment choose.
    ///
    /// `Environment` is managed identity where `IDENTITY_ENDPOINT` is set (App Service and Functions set it),
    /// workload identity where `AZURE_FEDERATED_TOKEN_FILE` is, else the developer's `az` or `azd`. The instance
    /// metadata service is never probed: on a laptop that takes over a minute to fail.
    pub(crate) fn chosen(credential: &Credential) -> Result<Self, IdentityError> {
        // Workload identity speaks https; the library has no other provider compiled in. An application that
        // installed one of its own first keeps it.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let source = TokenSource::of(credential);
        if source.name == MANAGED_IDENTITY && is_set("IDENTITY_ENDPOINT") && !is_set("IDENTITY_HEADER") {
            return Err(IdentityError::new(
                "IDENTITY_ENDPOINT is set and IDENTITY_HEADER is not: the platform sets both; set the header that the \
                 endpoint expects, or remove IDENTITY_ENDPOINT",
            ));
        }
        // What cannot be made at all is an error at the start.
        source.credential()?;
        Ok(source)
    }

    fn of(credential: &Credential) -> Self {
        match credential.clone() {
            Credential::Environment { client_id } if is_set("IDENTITY_ENDPOINT") => {
                TokenSource::of(&Credential::ManagedIdentity { client_id })
            }
            Credential::Environment { client_id } if is_set("AZURE_FEDERATED_TOKEN_FILE") => {
                TokenSource::of(&Credential::WorkloadIdentity { client_id })
            }
            Credential::ManagedIdentity { client_id } => TokenSource {
                name: MANAGED_IDENTITY,
                longest_request: LONGEST_CALL,
                make: Arc::new(move || {
                    let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
                    // The open tries again within its own budget, and can say why.
                    let client_options = ClientOptions { retry: RetryOptions::none(), ..Default::default() };
                    let options = ManagedIdentityCredentialOptions { user_assigned_id, client_options };
                    Ok(ManagedIdentityCredential::new(Some(options))?)
                }),
            },
            Credential::WorkloadIdentity { client_id } => TokenSource {
                name: "workload identity",
                longest_request: LONGEST_CALL,
                make: Arc::new(move || {
                    let client_id = client_id.clone();
                    let options = WorkloadIdentityCredentialOptions { client_id, ..Default::default() };
                    Ok(WorkloadIdentityCredential::new(Some(options))?)
                }),
            },
            Credential::AzureCli => TokenSource {
                name: "the Azure CLI (az)",
                longest_request: LONGEST_COMMAND,
                make: Arc::new(|| {
                    let options = AzureCliCredentialOptions { executor: commands(), ..Default::default() };
                    Ok(AzureCliCredential::new(Some(options))?)
                }),
            },
            Credential::AzureDeveloperCli => TokenSource {
                name: "the Azure Developer CLI (azd)",
                longest_request: LONGEST_COMMAND,
                make: Arc::new(|| {
                    let options =
                        AzureDeveloperCliCredentialOptions { executor: commands(), ..Default::default() };
                    Ok(AzureDeveloperCliCredential::new(Some(options))?)
                }),
            },
            Credential::DeveloperTools | Credential::Environment { .. } => TokenSource {
                name: "the developer's login (az, then azd)",
                longest_request: LONGEST_COMMAND,
                make: Arc::new(|| {
                    let options = DeveloperToolsCredentialOptions { executor: commands() };
                    Ok(DeveloperToolsCredential::new(Some(options))?)
                }),
            },
        }
    }

    /// A credential that has no token yet.
    pub(crate) fn credential(&self) -> Result<Arc<dyn TokenCredential>, IdentityError> {
        (self.make)().map_err(|error| IdentityError::of(&format!("{} cannot be used", self.name), error))
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const MANAGED_IDENTITY: &str = "the managed identity";
/// An endpoint answers in a moment; there is time in the budget of an open to ask one that did not again.
const LONGEST_CALL: Duration = Duration::from_secs(8);
/// `az` starts a Python interpreter, and may ask the network.
const LONGEST_COMMAND: Duration = Duration::from_secs(30);

fn commands() -> Option<Arc<dyn Executor>> {
    Some(Arc::new(Commands))
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}
