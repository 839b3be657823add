//! Commands to the private Redis, past our programs.

use processes::Services;

/// One command.
pub(crate) async fn redis(services: &Services, words: &[&str]) -> redis::RedisResult<redis::Value> {
    let client = redis::Client::open(services.redis.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    command.query_async(&mut connection).await
}

/// The same, for its text.
pub(crate) async fn redis_text(services: &Services, words: &[&str]) -> String {
    let value = redis(services, words).await.unwrap();
    redis::from_redis_value(value).unwrap()
}
