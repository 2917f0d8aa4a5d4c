//! The names of Arrow's types, as pyarrow prints them, from the codes by which the C data interface calls them.
//!
//! Source: the Arrow specification, "Data type description -- format strings".

/// The name of a format string's type; the string itself where it is none.
pub fn type_name(format: &str) -> String {
    let unit = |code: &str| match code {
        "s" => "s",
        "m" => "ms",
        "u" => "us",
        _ => "ns",
    };
    let (head, tail) = format.split_once(':').unwrap_or((format, ""));
    match head {
        "n" => "null".to_owned(),
        "b" => "bool".to_owned(),
        "c" | "s" | "i" | "l" => format!("int{}", bits(head)),
        "C" | "S" | "I" | "L" => format!("uint{}", bits(&head.to_lowercase())),
        "e" => "halffloat".to_owned(),
        "f" => "float".to_owned(),
        "g" => "double".to_owned(),
        "z" => "binary".to_owned(),
        "Z" => "large_binary".to_owned(),
        "vz" => "binary_view".to_owned(),
        "u" => "string".to_owned(),
        "U" => "large_string".to_owned(),
        "vu" => "string_view".to_owned(),
        "w" => format!("fixed_size_binary[{tail}]"),
        "d" => decimal_name(tail),
        "tdD" => "date32[day]".to_owned(),
        "tdm" => "date64[ms]".to_owned(),
        "tts" | "ttm" => format!("time32[{}]", unit(&head[2..])),
        "ttu" | "ttn" => format!("time64[{}]", unit(&head[2..])),
        "tss" | "tsm" | "tsu" | "tsn" if tail.is_empty() => format!("timestamp[{}]", unit(&head[2..])),
        "tss" | "tsm" | "tsu" | "tsn" => format!("timestamp[{}, tz={tail}]", unit(&head[2..])),
        "tDs" | "tDm" | "tDu" | "tDn" => format!("duration[{}]", unit(&head[2..])),
        "tiM" => "interval[month]".to_owned(),
        "tiD" => "interval[day_time]".to_owned(),
        "tin" => "month_day_nano_interval".to_owned(),
        "+l" => "list".to_owned(),
        "+L" => "large_list".to_owned(),
        "+vl" => "list_view".to_owned(),
        "+vL" => "large_list_view".to_owned(),
        "+w" => format!("fixed_size_list[{tail}]"),
        "+s" => "struct".to_owned(),
        "+m" => "map".to_owned(),
        "+ud" => "dense_union".to_owned(),
        "+us" => "sparse_union".to_owned(),
        "+r" => "run_end_encoded".to_owned(),
        _ => format.to_owned(),
    }
}

fn bits(code: &str) -> u8 {
    match code {
        "c" => 8,
        "s" => 16,
        "i" => 32,
        _ => 64,
    }
}

/// From "precision,scale" or "precision,scale,bits".
fn decimal_name(parameters: &str) -> String {
    let mut parts = parameters.split(',');
    let precision = parts.next().unwrap_or_default();
    let scale = parts.next().unwrap_or_default();
    format!("decimal{}({precision}, {scale})", parts.next().unwrap_or("128"))
}

#[cfg(test)]
mod tests {
    use super::type_name;

    #[test]
    fn codes_become_the_names_that_pyarrow_prints() {
        let names = [
            ("l", "int64"),
            ("S", "uint16"),
            ("tsu:", "timestamp[us]"),
            ("tsn:Europe/Berlin", "timestamp[ns, tz=Europe/Berlin]"),
            ("d:10,2", "decimal128(10, 2)"),
            ("d:40,2,256", "decimal256(40, 2)"),
            ("tdD", "date32[day]"),
            ("w:16", "fixed_size_binary[16]"),
            ("+us:0,1", "sparse_union"),
            ("?", "?"),
        ];
        for (code, name) in names {
            assert_eq!(type_name(code), name);
        }
    }
}
