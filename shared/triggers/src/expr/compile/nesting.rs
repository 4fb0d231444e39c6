//! How deep a text could drive a parser, found out before one sees it.

/// Deepest nesting of brackets in the text, also most signs in a row and most conditionals.
pub(super) const NESTING_MAX: usize = 24;
/// Longest chain such as `a.b[0].c()` in the text.
const CHAIN_MAX: usize = 64;

/// Whether a text could drive a parser too deep. Quotes are not looked at: it only errs on the safe side.
pub(super) fn is_nested(text: &str) -> bool {
    let mut chains = vec![0_usize];
    let (mut signs, mut conditionals) = (0_usize, 0_usize);
    text.bytes().any(|byte| {
        signs = match byte {
            b'!' | b'-' => signs + 1,
            b if b.is_ascii_whitespace() => signs,
            _ => 0,
        };
        conditionals += usize::from(byte == b'?');
        follow(&mut chains, byte);
        let is_long = chains.last().is_some_and(|chain| *chain > CHAIN_MAX);
        is_long || chains.len() > NESTING_MAX + 1 || signs > NESTING_MAX || conditionals > NESTING_MAX
    })
}

/// Counts, for each open bracket, how long the chain of members is that stands there.
fn follow(chains: &mut Vec<usize>, byte: u8) {
    match byte {
        b')' | b']' | b'}' if chains.len() > 1 => {
            chains.pop();
            return;
        }
        _ => {}
    }
    let Some(chain) = chains.last_mut() else { return };
    match byte {
        b'(' | b'[' | b'{' => {
            *chain += 1;
            chains.push(0);
        }
        b'.' => *chain += 1,
        b'+' | b'-' | b'*' | b'/' | b'%' | b'<' | b'>' | b'=' | b'&' | b'|' | b':' | b',' => *chain = 0,
        _ => {}
    }
}
