//! A line of an index file: where a record lies, as `offset size` in decimal, which is what DALI's `tfrecord2idx` writes.

/// Two numbers of up to 20 digits, a space and a line end.
const LONGEST_LINE: usize = 42;

/// All numbers of two digits, one after the other.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + number as u8 / 10, b'0' + number as u8 % 10];
        number += 1;
    }
    pairs
};

/// Appends the line of a record that begins at `offset` and has `size` bytes with header and footer.
///
/// `write!` takes several times as long, which shows beside the checksum of a small record.
pub fn push_index_line(out: &mut Vec<u8>, offset: u64, size: u64) {
    let mut line = [0; LONGEST_LINE];
    let mut begin = LONGEST_LINE - 1;
    line[begin] = b'\n';
    begin = put_decimal(&mut line, begin, size) - 1;
    line[begin] = b' ';
    begin = put_decimal(&mut line, begin, offset);
    out.extend_from_slice(&line[begin..]);
}

/// Writes a number so that it ends before `end`, and returns where it begins.
fn put_decimal(line: &mut [u8; LONGEST_LINE], end: usize, mut number: u64) -> usize {
    let mut begin = end;
    while number >= 10 {
        begin -= 2;
        line[begin..begin + 2].copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if number > 0 || begin == end {
        begin -= 1;
        line[begin] = b'0' + number as u8;
    }
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_both_numbers_in_decimal_whatever_their_size() {
        let numbers = (0..20)
            .map(|power| 10_u64.pow(power))
            .flat_map(|power| [power - 1, power, power + 1])
            .chain([u64::MAX - 1, u64::MAX]);
        for number in numbers {
            for (offset, size) in [(number, 16), (0, number), (number, number)] {
                let mut line = b"before\n".to_vec();
                push_index_line(&mut line, offset, size);
                assert_eq!(String::from_utf8(line).unwrap(), format!("before\n{offset} {size}\n"));
            }
        }
    }
}
