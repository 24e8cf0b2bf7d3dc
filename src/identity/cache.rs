//! The one token of the process: asked for once however many wait, and renewed before it is missed.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{FutureExt, Shared};
use tokio::time::Instant;

use super::{IdentityError, TokenSource};

/// A token is not served when it has less than this left.
const SAFETY: Duration = Duration::from_secs(60);
/// How long a failure is remembered, so that a burst of invocations asks once.
const FAILURE_LASTS: Duration = Duration::from_secs(1);
/// After a failed renewal of a token that is still good, the next one waits this long.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// An access token. It shows itself to nobody: `Debug` prints no character of it.
#[derive(Clone)]
pub(crate) struct Token {
    secret: Arc<str>,
    expires: Instant,
    renew: Instant,
}

impl Token {
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn expires(&self) -> Instant {
        self.expires
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

type Answer = Result<Token, IdentityError>;
type Request = Shared<Pin<Box<dyn Future<Output = Answer> + Send>>>;

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// The one request in flight.
    request: Option<Request>,
    failure: Option<(Instant, IdentityError)>,
}

/// Caches the token of one source for one scope.
#[derive(Clone)]
pub(crate) struct TokenCache {
    source: TokenSource,
    scope: &'static str,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("source", &self.source).finish_non_exhaustive()
    }
}

impl TokenCache {
    pub(crate) fn new(source: TokenSource, scope: &'static str) -> Self {
        TokenCache { source, scope, state: Arc::default() }
    }

    /// A token that holds for another minute at least.
    pub(crate) async fn token(&self) -> Answer {
        let request = {
            let mut state = self.lock();
            let now = Instant::now();
            if let Some(token) = state.token.clone()
                && token.expires.saturating_duration_since(now) > SAFETY
            {
                let paused = matches!(&state.failure, Some((at, _)) if now - *at < RENEWAL_PAUSE);
                if now >= token.renew && !paused {
                    drop(self.request(&mut state));
                }
                return Ok(token);
            }
            if let Some((at, error)) = &state.failure
                && now - *at < FAILURE_LASTS
            {
                return Err(error.clone());
            }
            self.request(&mut state)
        };
        request.await
    }

    /// Starts to ask for a token, if there is none.
    pub(crate) fn prefetch(&self) {
        let mut state = self.lock();
        if state.token.is_none() {
            drop(self.request(&mut state));
        }
    }

    /// Drops this token, which the server has refused. One that another opening has renewed meanwhile stays.
    pub(crate) fn forget(&self, refused: &Token) {
        let mut state = self.lock();
        if state.token.as_ref().is_some_and(|token| Arc::ptr_eq(&token.secret, &refused.secret)) {
            state.token = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Every change under the lock is one assignment: a poisoned lock still guards a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The request in flight, or a new one. It runs in a task of its own: whoever gives up waiting does not end
    /// it for the others.
    fn request(&self, state: &mut State) -> Request {
        if let Some(request) = &state.request {
            return request.clone();
        }
        let cache = self.clone();
        let task = tokio::spawn(async move {
            let _over = Over(cache.clone());
            let answer = fetch(&cache.source, cache.scope).await;
            let mut state = cache.lock();
            match &answer {
                Ok(token) => {
                    state.token = Some(token.clone());
                    state.failure = None;
                }
                Err(error) => {
                    tracing::warn!(%error, "no new access token");
                    state.failure = Some((Instant::now(), error.clone()));
                }
            }
            answer
        });
        let request = async move {
            task.await.unwrap_or_else(|_| Err(IdentityError::new("the token request was cut off")))
        };
        let request = request.boxed().shared();
        state.request = Some(request.clone());
        request
    }
}

/// Ends the request in flight, however its task ends.
struct Over(TokenCache);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.lock().request = None;
    }
}

async fn fetch(source: &TokenSource, scope: &str) -> Answer {
    let credential = source.credential()?;
    let longest = source.longest_request;
    let answer = tokio::time::timeout(longest, credential.get_token(&[scope], None)).await;
    let token = match answer {
        Ok(Ok(token)) => token,
        Ok(Err(error)) => return Err(IdentityError::of(&format!("{} gave no token", source.name), error)),
        Err(_) => {
            let seconds = longest.as_secs();
            return Err(IdentityError::new(format!("{} gave no token within {seconds}s", source.name)));
        }
    };
    let left = token.expires_on - time::OffsetDateTime::now_utc();
    let left = Duration::try_from(left).unwrap_or_default();
    let now = Instant::now();
    Ok(Token { secret: token.token.secret().into(), expires: now + left, renew: now + left / 2 })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};

    use super::*;

    /// Counts requests; each takes a second, then gives a token for an hour, or fails while `broken`.
    #[derive(Debug, Default)]
    struct Endpoint {
        requests: AtomicUsize,
        broken: std::sync::atomic::AtomicBool,
    }

    #[async_trait::async_trait]
    impl TokenCredential for Endpoint {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.broken.load(Ordering::SeqCst) {
                return Err(azure_core::Error::with_message(
                    azure_core::error::ErrorKind::Credential,
                    "down",
                ));
            }
            let expires = time::OffsetDateTime::now_utc() + Duration::from_secs(3600);
            Ok(AccessToken::new(format!("token-{number}"), expires))
        }
    }

    fn cache() -> (Arc<Endpoint>, TokenCache) {
        let endpoint = Arc::new(Endpoint::default());
        (endpoint.clone(), TokenCache::new(TokenSource::of_application(endpoint), "scope"))
    }

    #[tokio::test(start_paused = true)]
    async fn many_waiters_make_one_request() {
        let (endpoint, cache) = cache();
        let waiters = (0..50).map(|_| cache.token());
        for token in futures_util::future::join_all(waiters).await {
            assert_eq!(token.unwrap().secret(), "token-0");
        }
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_does_not_end_the_request() {
        let (endpoint, cache) = cache();
        assert!(tokio::time::timeout(Duration::from_millis(10), cache.token()).await.is_err());
        assert_eq!(cache.token().await.unwrap().secret(), "token-0");
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn from_half_its_life_a_token_is_renewed_while_the_old_one_is_served() {
        let (endpoint, cache) = cache();
        cache.token().await.unwrap();
        tokio::time::advance(Duration::from_secs(1810)).await;
        let asked = Instant::now();
        assert_eq!(cache.token().await.unwrap().secret(), "token-0");
        assert_eq!(Instant::now(), asked, "nobody waits for a renewal");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(cache.token().await.unwrap().secret(), "token-1");
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_token_is_served_while_its_renewal_fails() {
        let (endpoint, cache) = cache();
        cache.token().await.unwrap();
        endpoint.broken.store(true, Ordering::SeqCst);
        for _ in 0..49 {
            tokio::time::advance(Duration::from_secs(70)).await;
            assert_eq!(cache.token().await.unwrap().secret(), "token-0");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::advance(Duration::from_secs(70)).await;
        assert!(cache.token().await.is_err(), "a minute before its end the token is served no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_shared_and_remembered_for_a_second() {
        let (endpoint, cache) = cache();
        endpoint.broken.store(true, Ordering::SeqCst);
        let waiters = (0..20).map(|_| cache.token());
        assert!(futures_util::future::join_all(waiters).await.iter().all(Result::is_err));
        assert!(cache.token().await.is_err());
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 1);
        endpoint.broken.store(false, Ordering::SeqCst);
        tokio::time::advance(Duration::from_millis(1100)).await;
        assert_eq!(cache.token().await.unwrap().secret(), "token-1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_token_is_asked_for_anew() {
        let (_, cache) = cache();
        let refused = cache.token().await.unwrap();
        cache.forget(&refused);
        assert_eq!(cache.token().await.unwrap().secret(), "token-1");
        // Somebody else was refused with the same old token, later.
        cache.forget(&refused);
        assert_eq!(cache.token().await.unwrap().secret(), "token-1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_credential_that_panics_is_asked_again_the_next_time() {
        #[derive(Debug)]
        struct Panics(AtomicUsize);
        #[async_trait::async_trait]
        impl TokenCredential for Panics {
            async fn get_token(
                &self,
                _: &[&str],
                _: Option<TokenRequestOptions<'_>>,
            ) -> azure_core::Result<AccessToken> {
                assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
                Ok(AccessToken::new("token", time::OffsetDateTime::now_utc() + Duration::from_secs(3600)))
            }
        }
        let source = TokenSource::of_application(Arc::new(Panics(AtomicUsize::new(0))));
        let cache = TokenCache::new(source, "scope");
        assert!(cache.token().await.is_err());
        assert_eq!(cache.token().await.unwrap().secret(), "token");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_never_answers_is_given_up_once_for_all_and_asked_again() {
        #[derive(Debug, Default)]
        struct Hangs(AtomicUsize);
        #[async_trait::async_trait]
        impl TokenCredential for Hangs {
            async fn get_token(
                &self,
                _: &[&str],
                _: Option<TokenRequestOptions<'_>>,
            ) -> azure_core::Result<AccessToken> {
                self.0.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
        }
        let hangs = Arc::new(Hangs::default());
        let source = TokenSource::of_application(hangs.clone());
        let longest = source.longest_request;
        let cache = TokenCache::new(source, "scope");
        let asked = Instant::now();
        let waiters = (0..20).map(|_| cache.token());
        for outcome in futures_util::future::join_all(waiters).await {
            let error = outcome.unwrap_err();
            assert!(error.is_transient() && error.to_string().contains("no token within 30s"), "{error}");
        }
        assert_eq!((asked.elapsed(), hangs.0.load(Ordering::SeqCst)), (longest, 1));
        tokio::time::advance(FAILURE_LASTS).await;
        assert!(cache.token().await.is_err());
        assert_eq!(hangs.0.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failed_renewal_a_good_token_is_renewed_later_not_with_every_use() {
        let (endpoint, cache) = cache();
        cache.token().await.unwrap();
        endpoint.broken.store(true, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(1810)).await;
        for _ in 0..100 {
            cache.token().await.unwrap();
            tokio::time::advance(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(endpoint.requests.load(Ordering::SeqCst), 2, "one failed renewal in ten seconds");
        endpoint.broken.store(false, Ordering::SeqCst);
        tokio::time::advance(RENEWAL_PAUSE).await;
        cache.token().await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(cache.token().await.unwrap().secret(), "token-2");
    }

    #[test]
    fn a_token_is_not_in_its_debug() {
        let token = Token { secret: "secret".into(), expires: Instant::now(), renew: Instant::now() };
        assert!(!format!("{token:?}").contains("secret"));
    }
}
