//! THROW_AWAY: empty databases at a server, for a measurement, removed afterwards.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection};

use super::super::StoreError;
use super::{connect, failed};

/// Databases that nobody else uses. They stay when this is dropped without [`ThrowAway::remove`].
#[derive(Debug)]
pub struct ThrowAway {
    server: PgConnectOptions,
    names: Vec<String>,
    urls: Vec<String>,
}

impl ThrowAway {
    /// Makes so many, under names of their own. The user of the URL must be allowed to.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn make(url: &str, count: usize) -> Result<Self, StoreError> {
        let server: PgConnectOptions = url.parse().map_err(|_| StoreError::Unavailable("the database URL cannot be read".to_owned()))?;
        let mut all = Self { server: server.clone(), names: Vec::new(), urls: Vec::new() };
        let mut conn = all.connect().await?;
        for _ in 0..count {
            // Hexadecimal digits alone: nothing to quote.
            let name = format!("schakel_bench_{}", uuid::Uuid::now_v7().simple());
            conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0"))).await.map_err(failed)?;
            all.urls.push(server.clone().database(&name).to_url_lossy().to_string());
            all.names.push(name);
        }
        Ok(all)
    }

    /// Where they are.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Removes them, whoever is still connected.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn remove(self) -> Result<(), StoreError> {
        let mut conn = self.connect().await?;
        for name in &self.names {
            conn.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        connect(&self.server).await.map_err(failed)
    }
}
