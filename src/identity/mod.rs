//! Who the app is: the credential that the settings and the environment choose, and its one cached token.

mod cache;

use std::{fmt, sync::Arc};

use azure_core::{credentials::TokenCredential, error::ErrorKind};
use azure_identity::{
    AzureCliCredential, AzureDeveloperCliCredential, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};

pub(crate) use cache::{Token, TokenCache};

use crate::connection::Credential;

/// No token could be had, or the credential cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}{}", .source.as_ref().map(|source| format!(": {}", crate::error::chain(source.as_ref()))).unwrap_or_default())]
pub struct IdentityError {
    text: String,
    source: Option<Arc<azure_core::Error>>,
}

impl IdentityError {
    fn new(text: impl Into<String>) -> Self {
        IdentityError { text: text.into(), source: None }
    }

    fn of(credential: &dyn fmt::Display, error: azure_core::Error) -> Self {
        IdentityError { text: format!("{credential} gave no token"), source: Some(Arc::new(error)) }
    }

    /// Whether asking again may help: the endpoint was busy or not there, as opposed to a refusal.
    pub(crate) fn is_transient(&self) -> bool {
        let Some(error) = &self.source else { return true };
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

/// The credential that was chosen.
///
/// `Environment` is managed identity where `IDENTITY_ENDPOINT` is set (App Service and Functions set it),
/// workload identity where `AZURE_FEDERATED_TOKEN_FILE` is, else the developer's `az` or `azd`. The instance
/// metadata service is never probed: on a laptop that takes over a minute to fail.
pub(crate) fn credential(credential: &Credential) -> Result<Arc<dyn TokenCredential>, IdentityError> {
    // Workload identity speaks https; the library has no other provider compiled in. An application that
    // installed one of its own first keeps it.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let chosen = match credential {
        Credential::Environment { client_id } if is_set("IDENTITY_ENDPOINT") => {
            Credential::ManagedIdentity { client_id: client_id.clone() }
        }
        Credential::Environment { client_id } if is_set("AZURE_FEDERATED_TOKEN_FILE") => {
            Credential::WorkloadIdentity { client_id: client_id.clone() }
        }
        Credential::Environment { .. } => Credential::DeveloperTools,
        other => other.clone(),
    };
    let failed = |error: azure_core::Error| IdentityError {
        text: format!("the credential `{chosen:?}` cannot be made"),
        source: Some(Arc::new(error)),
    };
    let credential: Arc<dyn TokenCredential> = match &chosen {
        Credential::ManagedIdentity { client_id } => {
            let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
            let options = ManagedIdentityCredentialOptions { user_assigned_id, ..Default::default() };
            ManagedIdentityCredential::new(Some(options)).map_err(failed)?
        }
        Credential::WorkloadIdentity { client_id } => {
            let client_id = client_id.clone();
            let options = WorkloadIdentityCredentialOptions { client_id, ..Default::default() };
            WorkloadIdentityCredential::new(Some(options)).map_err(failed)?
        }
        Credential::AzureCli => AzureCliCredential::new(None).map_err(failed)?,
        Credential::AzureDeveloperCli => AzureDeveloperCliCredential::new(None).map_err(failed)?,
        Credential::DeveloperTools | Credential::Environment { .. } => {
            DeveloperToolsCredential::new(None).map_err(failed)?
        }
    };
    Ok(credential)
}
