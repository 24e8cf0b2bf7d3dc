//! TDS messages as clients send them, and what becomes of them on a bad day: made for the reader's own tests too.

use proptest::{collection::vec, prelude::*, sample::select};

/// ALL_HEADERS with a transaction descriptor (MS-TDS 2.2.5.3).
pub(crate) const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

/// A text's units, little end first.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Bytes that numbers break at, more often than the others.
pub(crate) fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => Just(0xFF), 1 => Just(0x80), 1 => Just(0x7F), 3 => any::<u8>()]
}

fn bytes(count: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(byte(), count)
}

/// PRELOGIN: options, the terminator, and then what the options point to.
pub(crate) fn prelogin() -> impl Strategy<Value = Vec<u8>> {
    let option = (select((0..9_u8).collect::<Vec<_>>()), vec(byte(), 0..7));
    vec(option, 0..8).prop_map(|options| {
        let (mut out, mut data) = (Vec::new(), Vec::new());
        for (option, value) in &options {
            out.push(*option);
            out.extend(((options.len() * 5 + 1 + data.len()) as u16).to_be_bytes());
            out.extend((value.len() as u16).to_be_bytes());
            data.extend(value);
        }
        out.push(0xFF);
        [out, data].concat()
    })
}

/// What a login says.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    /// Host, user, password, application and server.
    pub(crate) texts: [String; 5],
    pub(crate) database: String,
    pub(crate) packet_size: u32,
    /// The library of its FEDAUTH feature, and the token.
    pub(crate) federation: Option<(u8, String)>,
}

pub(crate) fn login() -> impl Strategy<Value = Login> {
    let text = || vec(any::<char>(), 0..9).prop_map(String::from_iter);
    let texts = [text(), text(), text(), text(), text()];
    let federation = proptest::option::of((0..4_u8, text()));
    (texts, text(), any::<u32>(), federation).prop_map(|(texts, database, packet_size, federation)| Login {
        texts,
        database,
        packet_size,
        federation,
    })
}

impl Login {
    /// The message (2.2.6.4).
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut out = vec![0; 94];
        out[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes());
        out[8..12].copy_from_slice(&self.packet_size.to_le_bytes());
        let texts = self.texts.iter().zip(0..).chain([(&self.database, 8)]);
        for (text, field) in texts {
            let at = 36 + field * 4;
            let start = out.len();
            out.extend(utf16(text));
            let units = ((out.len() - start) / 2) as u16;
            out[at..at + 2].copy_from_slice(&(start as u16).to_le_bytes());
            out[at + 2..at + 4].copy_from_slice(&units.to_le_bytes());
            if field == 2 {
                out[start..].iter_mut().for_each(|byte| *byte = byte.rotate_left(4) ^ 0xA5);
            }
        }
        if let Some((library, token)) = &self.federation {
            out[27] = 0x10;
            let at = out.len();
            out[56..58].copy_from_slice(&(at as u16).to_le_bytes());
            out.extend((at as u32 + 4).to_le_bytes());
            let token = utf16(token);
            out.push(0x02);
            out.extend((token.len() as u32 + 5).to_le_bytes());
            out.push(library << 1 | 1);
            out.extend((token.len() as u32).to_le_bytes());
            out.extend(token);
            out.push(0xFF);
        }
        let length = (out.len() as u32).to_le_bytes();
        out[..4].copy_from_slice(&length);
        out
    }
}

/// A TYPE_INFO and a value of that type (2.2.5.4 to 2.2.5.6), with NULL and the types that are not supported.
pub(crate) fn typed() -> impl Strategy<Value = Vec<u8>> {
    // A type that says its length, and a value of that or none.
    let of_length = |code: u8, length: u8| {
        let value = prop_oneof![bytes(length.into()), Just(Vec::new())];
        value.prop_map(move |value| [&[code, length, value.len() as u8], &value[..]].concat())
    };
    let fixed = [
        (0x30, 1),
        (0x32, 1),
        (0x34, 2),
        (0x38, 4),
        (0x3A, 4),
        (0x3B, 4),
        (0x3C, 8),
        (0x3D, 8),
        (0x3E, 8),
        (0x7A, 4),
        (0x7F, 8),
        (0x1F, 0),
        (0x62, 9),
        (0xF1, 9),
        (0xF3, 9),
    ];
    let lengths = [
        (0x26, 1),
        (0x26, 2),
        (0x26, 4),
        (0x26, 8),
        (0x68, 1),
        (0x6D, 4),
        (0x6D, 8),
        (0x6E, 4),
        (0x6E, 8),
        (0x6F, 4),
        (0x6F, 8),
        (0x24, 16),
    ];
    let days =
        prop_oneof![0..3_652_060_u32, Just(0xFF_FFFF)].prop_map(|days| days.to_le_bytes()[..3].to_vec());
    let offset = prop_oneof![any::<i16>(), select(vec![0, 60, 840, -840, 841, -841, i16::MAX, i16::MIN])];
    let moment =
        (0..9_u8, 0..864_000_000_001_u64, days, offset).prop_flat_map(|(scale, ticks, days, offset)| {
            let ticks = ticks / 10_u64.pow(u32::from(7 - scale.min(7)));
            let length = match scale {
                0..=2 => 3,
                3..=4 => 4,
                _ => 5,
            };
            let clock = &ticks.to_le_bytes()[..length];
            let whole = |code, parts: &[&[u8]]| {
                let data = parts.concat();
                [&[code, scale, data.len() as u8], &data[..]].concat()
            };
            select(vec![
                [&[0x28, 3], &days[..]].concat(),
                whole(0x29, &[clock]),
                whole(0x2A, &[clock, &days]),
                whole(0x2B, &[clock, &days, &offset.to_le_bytes()]),
            ])
        });
    let decimal = (0..40_u8, 0..40_u8, vec(byte(), 0..18)).prop_map(|(precision, scale, value)| {
        [&[0x6A, 17, precision, scale, value.len() as u8], &value[..]].concat()
    });
    let content = || prop_oneof![vec(byte(), 0..24), any::<String>().prop_map(|text| utf16(&text))];
    let variable = (select(vec![0xE7, 0xEF, 0xA7, 0xAF, 0xA5, 0xAD]), any::<u16>(), content());
    let variable = variable.prop_map(|(code, length, value): (u8, u16, Vec<u8>)| {
        let collation: &[u8] = if matches!(code, 0xA5 | 0xAD) { &[] } else { &[9, 4, 0xD0, 0, 0x34] };
        let length = length.min(0xFFFE).to_le_bytes();
        [&[code][..], &length, collation, &(value.len() as u16).to_le_bytes(), &value].concat()
    });
    let chunks = (select(vec![0xE7, 0xA7, 0xA5]), any::<Option<u64>>(), vec(content(), 0..4));
    let chunks = chunks.prop_map(|(code, total, chunks): (u8, Option<u64>, Vec<Vec<u8>>)| {
        let collation: &[u8] = if code == 0xA5 { &[] } else { &[9, 4, 0xD0, 0, 0x34] };
        let mut out = [&[code, 0xFF, 0xFF], collation, &total.unwrap_or(u64::MAX).to_le_bytes()].concat();
        if total.is_some() {
            for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                out.extend((chunk.len() as u32).to_le_bytes());
                out.extend(chunk);
            }
            out.extend([0; 4]);
        }
        out
    });
    let old =
        (select(vec![(0x63, 9_usize), (0x23, 9), (0x22, 4)]), content()).prop_map(|((code, rest), value)| {
            [&[code][..], &vec![0; rest], &(value.len() as u32).to_le_bytes(), &value].concat()
        });
    prop_oneof![
        2 => select(fixed.to_vec()).prop_flat_map(|(code, length)| {
            bytes(length).prop_map(move |value| [&[code], &value[..]].concat())
        }),
        2 => select(lengths.to_vec()).prop_flat_map(move |(code, length)| of_length(code, length)),
        3 => moment,
        2 => decimal,
        2 => variable,
        1 => chunks,
        1 => old,
    ]
}

/// The procedures that are there, one that is not, and T-SQL for those that take some.
const PROCEDURES: &str = "sp_executesql|sp_prepare|sp_prepexec|sp_execute|sp_unprepare|sp_reset_connection|\
                          sp_set_session_context|sp_datatype_info|sp_getapplock|sp_releaseapplock|[sys].sp_who|";
const STATEMENTS: &str = "SELECT @p|SELECT @p AS a, @q AS b|SELECT @p + @q|SELECT CAST(@p AS nvarchar(9))|SET @p = @q|\
                          IF @p = @q SELECT 1 ELSE SELECT @q|SELECT TOP 1 1 WHERE @p > @q|BEGIN TRAN|ROLLBACK|SELECT|\
                          @p int, @q int|DECLARE @x int = @p SELECT @x|PRINT @p|THROW 50001, @p, 1";

fn one_of(texts: &'static str) -> impl Strategy<Value = &'static str> {
    select(texts.split('|').collect::<Vec<_>>())
}

/// A parameter: name, flags, type and value.
fn parameter() -> impl Strategy<Value = Vec<u8>> {
    let text = one_of(STATEMENTS).prop_map(|text| {
        let text = utf16(text);
        let length = (text.len() as u16).to_le_bytes();
        [&[0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 0x34], &length[..], &text].concat()
    });
    let value = prop_oneof![1 => text, 2 => typed()];
    (one_of("||@p|@q|@P|@stmt|@resource|@lockmode"), 0..3_u8, value)
        .prop_map(|(name, flags, value)| [&[name.len() as u8], &utf16(name)[..], &[flags], &value].concat())
}

fn rpc() -> impl Strategy<Value = Vec<u8>> {
    let named =
        one_of(PROCEDURES).prop_map(|name| [&(name.len() as u16).to_le_bytes()[..], &utf16(name)].concat());
    let numbered = (0..17_u16).prop_map(|number| [[0xFF; 2], number.to_le_bytes()].concat());
    let call = (prop_oneof![named, numbered], vec(parameter(), 0..6), select(vec![0x80, 0xFE, 0xFF]));
    vec(call, 1..4).prop_map(|calls| {
        let mut out = HEADERS.to_vec();
        for (procedure, parameters, flag) in calls {
            out.extend([&procedure[..], &[0, 0], &parameters.concat(), &[flag]].concat());
        }
        out.pop();
        out
    })
}

fn transaction() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![Just(Vec::new()), "[a-zé]{1,40}".prop_map(|name| utf16(&name))];
    (0..11_u16, vec(byte(), 0..3), name, vec(byte(), 0..3)).prop_map(|(request, before, name, behind)| {
        let name = [&[name.len() as u8], &name[..]].concat();
        [&HEADERS, &request.to_le_bytes()[..], &before, &name, &behind].concat()
    })
}

/// T-SQL's words in any order.
pub(crate) fn words() -> impl Strategy<Value = String> {
    let words = "SELECT|1|'|''|\"|[|]|(|)|,|;|--|/*|*/|@p|NULL|N'é😀'|0x|.5|1e|GO|DECLARE|@@SPID|=|FROM|#t|\n|\0|@|\
                 INSERT|INTO|VALUES|UPDATE|SET|DELETE|CREATE|TABLE|ALTER|DROP|INDEX|IF|ELSE|BEGIN|END|TRY|CATCH|WHILE|\
                 EXEC|MERGE|WITH|AS|CASE|WHEN|THEN|CAST|TOP|ORDER|BY|OFFSET|FETCH|NEXT|ROWS|IN|LIKE|BETWEEN|NOT|AND|\
                 OUTPUT|inserted|.|*|+|-|/|%|&|~|<|>|!|:|{|}|$|\\|`|WAITFOR|RAISERROR|PRINT|USE|UNION|ALL|JOIN|ON|t";
    vec(one_of(words), 0..12).prop_map(|words| words.join(" "))
}

fn batch() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![any::<String>(), words(), one_of(STATEMENTS).prop_map(String::from)];
    text.prop_map(|text| [&HEADERS[..], &utf16(&text)].concat())
}

/// A request of any kind: its type, and its message without packets.
pub(crate) fn request() -> impl Strategy<Value = (u8, Vec<u8>)> {
    prop_oneof![
        2 => batch().prop_map(|message| (0x01, message)),
        5 => rpc().prop_map(|message| (0x03, message)),
        2 => transaction().prop_map(|message| (0x0E, message)),
        1 => (select(vec![0x00, 0x01, 0x02, 0x03, 0x06, 0x07, 0x08, 0x0E, 0x10, 0x11, 0x12]), vec(byte(), 0..60)),
    ]
}
