//! Judges of `intel_gpu_top -J`.

use serde_json::Value;

use super::Judged;

/// An engine with less is idle, in percent.
const IDLE: f64 = 5.0;
/// An engine with more is at work; RC6 with more is the GPU's rest, in percent.
const MOST: f64 = 50.0;
/// Whole periods that it takes for a judgement.
const LEAST_SAMPLES: usize = 3;
/// How intel_gpu_top calls the engine that the load runs on.
const RENDER: &str = "Render/3D/0";

/// Nothing runs.
pub(in crate::linux::clients) fn idle(said: &str) -> Judged {
    for sample in &samples(said)? {
        for (name, busy) in engines(sample)? {
            below(&name, busy, IDLE)?;
        }
        above("RC6", number(sample, &["rc6", "value"])?, MOST)?;
    }
    Ok("all engines idle, RC6".into())
}

/// A workload runs on the render engine.
pub(in crate::linux::clients) fn loaded(said: &str) -> Judged {
    let samples = samples(said)?;
    let mut least = f64::INFINITY;
    let mut frequency = 0.0;
    for sample in &samples {
        for (name, busy) in engines(sample)? {
            if name == RENDER {
                above(&name, busy, MOST)?;
                least = busy.min(least);
            } else {
                below(&name, busy, IDLE)?;
            }
        }
        frequency = number(sample, &["frequency", "actual"])?;
        above("the frequency", frequency, 0.0)?;
        below("RC6", number(sample, &["rc6", "value"])?, MOST)?;
    }
    let client = samples.last().map_or(Ok(0.0), client)?;
    above("the client", client, MOST)?;
    Ok(format!("RCS {least:.0} %, client {client:.0} %, {frequency:.0} MHz"))
}

/// The samples of whole periods: the first covers next to no time, the last may be cut.
fn samples(said: &str) -> Result<Vec<Value>, String> {
    let mut samples = Vec::new();
    for object in objects(said) {
        let sample = serde_json::from_str(object).map_err(|error| format!("no JSON: {error}"))?;
        samples.push(sample);
    }
    let whole = samples.split_off(samples.len().min(1));
    if whole.len() < LEAST_SAMPLES {
        return Err(format!("{} whole samples only", whole.len()));
    }
    Ok(whole)
}

/// The complete top-level objects of the output, which is a list without an end, at times without
/// commas.
fn objects(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut quoted, mut escaped) = (0_u32, 0, false, false);
    let mut found = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            b'}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    found.extend(text.get(start..=at));
                }
            }
            _ => {}
        }
    }
    found
}

fn engines(sample: &Value) -> Result<Vec<(String, f64)>, String> {
    let engines = sample.get("engines").and_then(Value::as_object);
    let engines = engines.filter(|engines| engines.contains_key(RENDER));
    let engines = engines.ok_or("names no render engine")?;
    engines.iter().map(|(name, of)| Ok((name.clone(), number(of, &["busy"])?))).collect()
}

/// How busy the load keeps the render engine by the count of its contexts' run time.
fn client(sample: &Value) -> Result<f64, String> {
    let clients = sample.get("clients").and_then(Value::as_object);
    let load = clients.into_iter().flatten().map(|(_, client)| client);
    let load = load.into_iter().find(|client| client["name"] == "gem_wsim");
    number(load.ok_or("does not name the client")?, &["engine-classes", "Render/3D", "busy"])
}

/// A number, which for clients is written as a string.
fn number(value: &Value, path: &[&str]) -> Result<f64, String> {
    let found = path.iter().try_fold(value, |value, key| value.get(key));
    let number = found.and_then(|found| match found {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    });
    number.ok_or_else(|| format!("has no {}", path.join(".")))
}

fn below(what: &str, value: f64, limit: f64) -> Result<(), String> {
    if value < limit { Ok(()) } else { Err(format!("{what}: {value:.1} is not below {limit}")) }
}

fn above(what: &str, value: f64, limit: f64) -> Result<(), String> {
    if value > limit { Ok(()) } else { Err(format!("{what}: {value:.1} is not above {limit}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(render: f64, video: f64, rc6: f64, frequency: f64, client: f64) -> String {
        format!(
            r#"{{ "frequency": {{"actual": {frequency}}}, "rc6": {{"value": {rc6}}},
            "engines": {{"{RENDER}": {{"busy": {render}}}, "Video/0": {{"busy": {video}}}}},
            "clients": {{"1": {{"name": "gem_wsim",
                "engine-classes": {{"Render/3D": {{"busy": "{client}"}}}}}}}} }}"#
        )
    }

    /// A first sample, some like `sample`, and one that was cut.
    fn output(sample: &str) -> String {
        let first = self::sample(0.0, 0.0, 0.0, 0.0, 0.0);
        format!("[\n{first},\n{sample}\n{sample},\n{sample},\n{{ \"period\": {{")
    }

    #[test]
    fn an_idle_gpu_shows_no_work_and_rests() {
        assert!(idle(&output(&sample(0.0, 0.1, 99.9, 0.0, 0.0))).is_ok());
        assert!(idle(&output(&sample(7.0, 0.0, 99.9, 0.0, 0.0))).is_err());
        assert!(idle(&output(&sample(0.0, 7.0, 99.9, 0.0, 0.0))).is_err());
        assert!(idle(&output(&sample(0.0, 0.0, 10.0, 0.0, 0.0))).is_err());
    }

    #[test]
    fn a_load_shows_on_its_engine_its_client_and_the_frequency() {
        let good = output(&sample(98.0, 0.1, 0.0, 950.0, 97.0));
        assert_eq!(loaded(&good).unwrap(), "RCS 98 %, client 97 %, 950 MHz");
        for (bad, why) in [
            (sample(10.0, 0.0, 0.0, 950.0, 97.0), "engine idle"),
            (sample(98.0, 50.0, 0.0, 950.0, 97.0), "the wrong engine too"),
            (sample(98.0, 0.0, 90.0, 950.0, 97.0), "asleep"),
            (sample(98.0, 0.0, 0.0, 0.0, 97.0), "no frequency"),
            (sample(98.0, 0.0, 0.0, 950.0, 1.0), "client idle"),
        ] {
            assert!(loaded(&output(&bad)).is_err(), "{why}");
        }
    }

    #[test]
    fn too_little_and_broken_json_are_errors() {
        assert!(idle("").is_err());
        assert!(idle(&sample(0.0, 0.0, 99.0, 0.0, 0.0)).is_err(), "one sample");
        assert!(idle(&output("{\"rc6\": nan}")).is_err());
        assert!(idle(&output("{}")).is_err());
    }

    #[test]
    fn braces_in_strings_do_not_count() {
        assert_eq!(
            objects(r#"[{"a": "}\"{"}, {"b": {}} {"c"#),
            [r#"{"a": "}\"{"}"#, r#"{"b": {}}"#]
        );
        assert!(objects("}}").is_empty());
    }
}
