//! The Iceberg REST catalog: the server writes the metadata, and says which requirement of a change does not hold.

mod client;
mod session;
mod settings;
mod token;
mod transport;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use iceberg::spec::{FormatVersion, TableMetadata};
use reqwest::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
pub use settings::{ClientCredentials, RequestSigner, RestAuth, RestSettings};
use sluice_platform::{Clock, Entropy};

use self::client::Client;
use self::session::Session;
use self::transport::{Answer, Call, Sent};
use self::wire::{
    Commit, CreateNamespace, CreateTable, Identifier, Located, NamespacesAnswer, TablesAnswer, WithMetadata,
};
use super::{Catalog, CatalogOutcome, NewTable, Proposal, Seams, StoredTable};
use crate::lake::Point;
use crate::{CatalogError, LakeError, TableIdent};

/// Bytes of an answer above which it is decoded away from the threads that wait for others.
const LARGE: usize = 128 << 10;
/// Pages of one listing; a server that gives more goes round in circles.
const MOST_PAGES: usize = 10_000;

/// A catalog behind the Iceberg REST protocol.
#[derive(Debug)]
pub struct RestCatalog {
    name: String,
    client: Client,
    /// By table: the metadata file that was read last and the tag of that answer.
    tags: Mutex<HashMap<TableIdent, (Arc<str>, HeaderValue)>>,
}

/// What a page of a listing holds, and where the next one is.
trait Page: DeserializeOwned {
    type Item;
    fn take(self) -> (Vec<Self::Item>, Option<String>);
}

impl RestCatalog {
    /// A catalog; nothing is sent until something is asked of it.
    pub fn new(settings: RestSettings, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Self, CatalogError> {
        let name = settings.warehouse.clone().unwrap_or_else(|| settings.uri.clone());
        Ok(Self { name, client: Client::new(settings, clock, entropy)?, tags: Mutex::default() })
    }

    /// Whether the server can be reached and lets us in; changes nothing.
    pub async fn probe(&self) -> Result<(), CatalogError> {
        self.client.session().await.map(|_| ())
    }

    /// Sends a request whose missing answer is as good as none.
    async fn ask(&self, session: &Session, call: &Call<'_>) -> Result<Answer, CatalogError> {
        match self.client.send(session, call).await? {
            Sent::Answered(answer) => Ok(answer),
            Sent::Silent(error) => Err(error),
        }
    }

    fn refusal(&self, call: &Call<'_>, answer: &Answer) -> CatalogError {
        self.client.transport.refusal(call.operation, answer)
    }

    fn tag(&self, ident: &TableIdent, known: &StoredTable) -> Option<HeaderValue> {
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        tags.get(ident).filter(|(location, _)| *location == known.location).map(|(_, tag)| tag.clone())
    }

    fn remember(&self, ident: &TableIdent, location: &Arc<str>, answer: &Answer) {
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        match answer.headers.get(ETAG) {
            Some(tag) => tags.insert(ident.clone(), (Arc::clone(location), tag.clone())),
            None => tags.remove(ident),
        };
    }

    /// The table in an answer; `known` if it is that one.
    async fn table(
        &self,
        ident: &TableIdent,
        answer: &Answer,
        known: Option<&StoredTable>,
    ) -> Result<StoredTable, LakeError> {
        let unread = |error| self.client.transport.unavailable("say how the table stands", error);
        let body = answer.body().map_err(unread).map_err(LakeError::catalog(ident))?;
        let known_location = known.map(|known| Arc::clone(&known.location));
        let read = if body.len() > LARGE {
            let joined = tokio::task::spawn_blocking(move || decode(&body, known_location.as_deref())).await;
            joined.map_err(|error| LakeError::catalog(ident)(unread(error.into())))?
        } else {
            decode(&body, known_location.as_deref())
        };
        let what = "read the catalog's answer about it";
        let (location, metadata) = read.map_err(|error| LakeError::metadata(ident, what)(error.into()))?;
        let location: Arc<str> =
            location.ok_or_else(|| LakeError::inconsistent(ident, what, "the answer has no metadata-location"))?.into();
        self.remember(ident, &location, answer);
        match (metadata, known) {
            (Some(metadata), _) => Ok(StoredTable { location, metadata: Arc::new(metadata) }),
            (None, Some(known)) => Ok(known.clone()),
            (None, None) => Err(LakeError::inconsistent(ident, what, "the answer has no metadata")),
        }
    }

    async fn create_table(
        &self,
        session: &Session,
        ident: &TableIdent,
        metadata: &TableMetadata,
    ) -> Result<Sent, CatalogError> {
        let mut properties = metadata.properties().clone();
        properties.insert("format-version".to_owned(), (metadata.format_version() as u8).to_string());
        let order = metadata.default_sort_order();
        let body = CreateTable {
            name: &ident.name,
            location: metadata.location(),
            schema: metadata.current_schema(),
            partition_spec: metadata.default_partition_spec(),
            write_order: (!order.is_unsorted()).then_some(order),
            stage_create: false,
            properties,
        };
        let url = session.tables(&ident.namespace);
        let call = self.client.posting(&url, "make the table", &body)?;
        self.client.send(session, &call).await
    }

    /// Makes the namespace and those around it where they are missing.
    async fn create_namespaces(&self, session: &Session, namespace: &[String]) -> Result<(), CatalogError> {
        let url = session.namespaces();
        for depth in 1..=namespace.len() {
            let body = CreateNamespace { namespace: &namespace[..depth], properties: BTreeMap::new() };
            let call = self.client.posting(&url, "make the namespace", &body)?;
            let call = Call { repeatable: true, ..call };
            let answer = self.ask(session, &call).await?;
            let there = answer.status.is_success() || answer.status == StatusCode::CONFLICT;
            // Who may use an outer namespace need not be allowed to make it; the innermost one tells.
            if !there && depth == namespace.len() {
                return Err(self.refusal(&call, &answer));
            }
        }
        Ok(())
    }

    /// All pages of a listing; `None` where what is listed is not there.
    async fn pages<P: Page>(
        &self,
        session: &Session,
        url: impl Fn(Option<&str>) -> String,
    ) -> Result<Option<Vec<P::Item>>, CatalogError> {
        let (mut items, mut token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let url = url(token.as_deref());
            let call = Call::new(Method::GET, &url, "list its tables");
            let answer = self.ask(session, &call).await?;
            if answer.is_missing() {
                return Ok(None);
            }
            if !answer.status.is_success() {
                return Err(self.refusal(&call, &answer));
            }
            let body = answer.body().map_err(|error| self.client.transport.unavailable(call.operation, error))?;
            let page: P = serde_json::from_slice(&body)
                .map_err(|error| self.client.transport.unavailable(call.operation, error.into()))?;
            let (found, next) = page.take();
            items.extend(found);
            match next.filter(|next| !next.is_empty()) {
                Some(next) => token = Some(next),
                None => return Ok(Some(items)),
            }
        }
        Err(self.client.transport.refused("list its tables", format!("it gave more than {MOST_PAGES} pages")))
    }

    async fn all_tables(&self) -> Result<BTreeSet<TableIdent>, CatalogError> {
        let session = self.client.session().await?;
        let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), VecDeque::from([Vec::new()]));
        while let Some(parent) = open.pop_front() {
            let below =
                self.pages::<NamespacesAnswer>(session, |token| session.namespaces_page(&parent, token)).await?;
            open.extend(below.into_iter().flatten().filter(|namespace| seen.insert(namespace.clone())));
            if parent.is_empty() {
                continue;
            }
            let tables = self.pages::<TablesAnswer>(session, |token| session.tables_page(&parent, token)).await?;
            let tables = tables.into_iter().flatten();
            found.extend(tables.map(|Identifier { namespace, name }| TableIdent { namespace, name }));
        }
        Ok(found)
    }

    /// What a refusal of a change means: a table that is no longer `base` may be the reason for it.
    async fn refused(
        &self,
        seams: &Seams,
        ident: &TableIdent,
        base: &StoredTable,
        error: CatalogError,
    ) -> Result<CatalogOutcome, LakeError> {
        match self.load(seams, ident, Some(base)).await? {
            Some(stored) if stored.location != base.location => {
                tracing::debug!(table = %ident, %error, "a change built on an outdated table was refused");
                Ok(CatalogOutcome::Conflict)
            }
            _ => Err(LakeError::catalog(ident)(error)),
        }
    }
}

#[async_trait]
impl Catalog for RestCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    async fn load(
        &self,
        _seams: &Seams,
        ident: &TableIdent,
        known: Option<&StoredTable>,
    ) -> Result<Option<StoredTable>, LakeError> {
        let failed = LakeError::catalog(ident);
        let looked = async {
            let session = self.client.session().await?;
            let url = session.table(ident);
            let mut call = Call::new(Method::GET, &url, "say how the table stands");
            if let Some(tag) = known.and_then(|known| self.tag(ident, known)) {
                call.headers.insert(IF_NONE_MATCH, tag);
            }
            let answer = self.ask(session, &call).await?;
            if answer.status.is_success() || answer.status == StatusCode::NOT_MODIFIED || answer.is_missing() {
                return Ok(answer);
            }
            Err(self.refusal(&call, &answer))
        };
        let answer = looked.await.map_err(failed)?;
        match (answer.status, known) {
            (StatusCode::NOT_MODIFIED, Some(known)) => Ok(Some(known.clone())),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            _ => self.table(ident, &answer, known).await.map(Some),
        }
    }

    async fn create(&self, _seams: &Seams, ident: &TableIdent, new: NewTable) -> Result<CatalogOutcome, LakeError> {
        let metadata = &new.metadata;
        let sent = async {
            let session = self.client.session().await?;
            let sent = self.create_table(session, ident, metadata).await?;
            match sent {
                Sent::Answered(answer) if answer.status == StatusCode::NOT_FOUND => {
                    self.create_namespaces(session, &ident.namespace).await?;
                    self.create_table(session, ident, metadata).await
                }
                sent => Ok(sent),
            }
        };
        let answer = match sent.await.map_err(LakeError::catalog(ident))? {
            Sent::Answered(answer) => answer,
            Sent::Silent(error) => return Ok(CatalogOutcome::Unknown(LakeError::catalog(ident)(error))),
        };
        let refusal = || LakeError::catalog(ident)(self.client.transport.refusal("make the table", &answer));
        match answer.status.as_u16() {
            200..=299 => match self.table(ident, &answer, None).await {
                Ok(stored) => {
                    report_version(ident, metadata.format_version(), stored.metadata.format_version());
                    Ok(CatalogOutcome::Committed(stored))
                }
                Err(error) => Ok(CatalogOutcome::Unknown(error)),
            },
            409 => Ok(CatalogOutcome::Conflict),
            408 | 500 | 502..=599 => Ok(CatalogOutcome::Unknown(refusal())),
            _ => Err(refusal()),
        }
    }

    async fn commit(
        &self,
        seams: &Seams,
        ident: &TableIdent,
        base: &StoredTable,
        proposal: Proposal,
    ) -> Result<CatalogOutcome, LakeError> {
        if proposal.requirements.iter().any(|required| required.check(Some(&base.metadata)).is_err()) {
            return Ok(CatalogOutcome::Conflict);
        }
        let session = self.client.session().await.map_err(LakeError::catalog(ident))?;
        let url = session.table(ident);
        let body =
            Commit { identifier: ident.into(), requirements: &proposal.requirements, updates: &proposal.updates };
        let call = self.client.posting(&url, "change the table", &body).map_err(LakeError::catalog(ident))?;
        seams.role.hit(Point::BeforeMetadata);
        seams.role.hit(Point::BeforeSwap);
        let sent = self.client.send(session, &call).await;
        seams.role.hit(Point::AfterSwap);
        let answer = match sent.map_err(LakeError::catalog(ident))? {
            Sent::Answered(answer) => answer,
            Sent::Silent(error) => return Ok(CatalogOutcome::Unknown(LakeError::catalog(ident)(error))),
        };
        match answer.status.as_u16() {
            200..=299 => match self.table(ident, &answer, None).await {
                Ok(stored) => Ok(CatalogOutcome::Committed(stored)),
                Err(error) => Ok(CatalogOutcome::Unknown(error)),
            },
            409 => Ok(CatalogOutcome::Conflict),
            404 if answer.is_missing() => Err(LakeError::Missing(ident.clone())),
            408 | 500 | 502..=599 => {
                Ok(CatalogOutcome::Unknown(LakeError::catalog(ident)(self.refusal(&call, &answer))))
            }
            400 | 412 | 422 => self.refused(seams, ident, base, self.refusal(&call, &answer)).await,
            _ => Err(LakeError::catalog(ident)(self.refusal(&call, &answer))),
        }
    }

    async fn list(&self) -> Result<Vec<TableIdent>, LakeError> {
        let listed = self.all_tables().await;
        let listed = listed.map_err(|source| LakeError::Catalog { table: "*".to_owned(), source })?;
        Ok(listed.into_iter().collect())
    }
}

impl Page for NamespacesAnswer {
    type Item = Vec<String>;

    fn take(self) -> (Vec<Vec<String>>, Option<String>) {
        (self.namespaces, self.next_page_token)
    }
}

impl Page for TablesAnswer {
    type Item = Identifier;

    fn take(self) -> (Vec<Identifier>, Option<String>) {
        (self.identifiers, self.next_page_token)
    }
}

/// Where the table's metadata is, and the metadata unless it is at `known`.
fn decode(body: &Bytes, known: Option<&str>) -> serde_json::Result<(Option<String>, Option<TableMetadata>)> {
    let located: Located = serde_json::from_slice(body)?;
    if known.is_some() && located.metadata_location.as_deref() == known {
        return Ok((located.metadata_location, None));
    }
    let WithMetadata { metadata } = serde_json::from_slice(body)?;
    Ok((located.metadata_location, Some(metadata)))
}

/// Some servers make a table of another version than they were asked for, and say nothing.
fn report_version(ident: &TableIdent, wanted: FormatVersion, made: FormatVersion) {
    if wanted != made {
        tracing::warn!(table = %ident, %wanted, %made, "the catalog made the table in another version of the format");
    }
}
