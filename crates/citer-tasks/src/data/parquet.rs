//! Rows of Parquet files, the form most hubs serve, without Arrow.

use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row as Group};
use serde_json::{Map, Value};

use super::error::{FormatError, Problem, RowError};
use super::format::{Row, Rows};

/// The rows of a Parquet file: a `File`, or `Bytes` in memory. Row groups are read as they are needed. Compression may
/// be Snappy, zstd, LZ4, gzip or none.
pub fn parquet_rows(source: impl ChunkReader + 'static) -> Result<Rows<'static>, FormatError> {
    let reader = SerializedFileReader::new(source).map_err(|error| FormatError::BadParquet(error.to_string()))?;
    let mut rows = RowIter::from_file_into(Box::new(reader)).enumerate();
    let mut ended = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let (index, row) = rows.next()?;
        ended = row.is_err();
        Some(convert(index + 1, row))
    })))
}

fn convert(number: usize, row: Result<Group, ParquetError>) -> Result<Row, RowError> {
    let problem = match row.map(|group| fields(&group)) {
        Ok(Some(fields)) => return Ok(Row { number, fields }),
        Ok(None) => Problem::Malformed("a column that is no text, number or list of such".to_owned()),
        Err(error) => Problem::Unreadable(error.to_string()),
    };
    Err(RowError { row: number, problem })
}

fn fields(group: &Group) -> Option<Map<String, Value>> {
    group.get_column_iter().map(|(name, field)| Some((name.clone(), value(field)?))).collect()
}

fn value(field: &Field) -> Option<Value> {
    Some(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => (*value).into(),
        Field::Byte(value) => (*value).into(),
        Field::Short(value) => (*value).into(),
        Field::Int(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::UByte(value) => (*value).into(),
        Field::UShort(value) => (*value).into(),
        Field::UInt(value) => (*value).into(),
        Field::ULong(value) => (*value).into(),
        Field::Float(value) => (*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) => text.as_str().into(),
        Field::Bytes(bytes) => bytes.as_utf8().ok()?.into(),
        Field::Group(group) => Value::Object(fields(group)?),
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect::<Option<_>>()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use parquet::basic::Compression;
    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::ByteArray;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::data::{Benchmark, Format, Loader};
    use crate::family::Split;

    /// The schema of CommonsenseQA and ARC on hubs.
    const SCHEMA: &str = "message schema {
        OPTIONAL BYTE_ARRAY id (UTF8);
        OPTIONAL BYTE_ARRAY question (UTF8);
        OPTIONAL group choices {
            OPTIONAL group label (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element (UTF8); } }
            OPTIONAL group text (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element (UTF8); } }
        }
        OPTIONAL BYTE_ARRAY answerKey (UTF8);
    }";

    /// Values, definition levels, repetition levels.
    type Column<'a> = (Vec<&'a str>, Vec<i16>, Vec<i16>);

    /// A file with the columns of each row group.
    fn write(compression: Compression, schema: &str, groups: &[Vec<Column<'_>>]) -> Bytes {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let mut file = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut file, schema, properties).unwrap();
        for columns in groups {
            let mut group = writer.next_row_group().unwrap();
            for (values, definitions, repetitions) in columns {
                let mut column = group.next_column().unwrap().unwrap();
                let ColumnWriter::ByteArrayColumnWriter(typed) = column.untyped() else { panic!("a text column") };
                let values: Vec<_> = values.iter().map(|&text| ByteArray::from(text)).collect();
                typed.write_batch(&values, Some(definitions), Some(repetitions)).unwrap();
                column.close().unwrap();
            }
            group.close().unwrap();
        }
        writer.close().unwrap();
        Bytes::from(file)
    }

    fn plain<'a>(values: &[&'a str]) -> Column<'a> {
        (values.to_vec(), vec![1; values.len()], vec![0; values.len()])
    }

    /// Two rows with two elements each.
    fn lists(values: [&str; 4]) -> Column<'_> {
        (values.to_vec(), vec![4; 4], vec![0, 1, 0, 1])
    }

    #[test]
    fn hub_files_become_questions() {
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
            Compression::GZIP(Default::default()),
            Compression::LZ4_RAW,
        ] {
            let group = |ids: [&'static str; 2]| {
                vec![
                    plain(&ids),
                    plain(&["Where?", "Who?"]),
                    lists(["A", "B", "1", "2"]),
                    lists(["bank", "mall", "you", "mé"]),
                    plain(&["B", "2"]),
                ]
            };
            let file = write(compression, SCHEMA, &[group(["a", "b"]), group(["c", "b"])]);
            assert_eq!(Format::detect("x", &file).unwrap(), Format::Parquet);
            let loaded =
                Loader::new(Benchmark::CommonsenseQa, Split::Test, parquet_rows(file).unwrap()).load().unwrap();
            assert_eq!(loaded.questions.len(), 3);
            assert!(loaded.questions[0].prompt.starts_with("Where?\n(A) bank\n(B) mall\n"));
            assert_eq!((loaded.questions[1].id.as_str(), loaded.questions[1].gold.as_str()), ("b", "B"));
            assert_eq!(loaded.questions[1].solution, "The answer is mé (B).");
            assert_eq!(loaded.skipped.iter().map(|error| error.row).collect::<Vec<_>>(), [4]);
        }
    }

    #[test]
    fn missing_values_are_errors() {
        let schema = "message schema { OPTIONAL BYTE_ARRAY question (UTF8); OPTIONAL BYTE_ARRAY answer (UTF8); }";
        let columns = vec![plain(&["Q", "R"]), (vec!["#### 4"], vec![1, 0], vec![0, 0])];
        let file = write(Compression::SNAPPY, schema, &[columns]);
        let loaded = Loader::new(Benchmark::Gsm8k, Split::Test, parquet_rows(file).unwrap()).load().unwrap();
        assert_eq!(loaded.questions[0].gold, "4");
        assert!(loaded.skipped[0].to_string().starts_with("row 2: has no gold answer"));
    }

    #[test]
    fn damaged_files_are_errors() {
        let file = write(Compression::SNAPPY, SCHEMA, &[]);
        for bytes in [Bytes::from_static(b"PAR1"), file.slice(..file.len() - 6), Bytes::new()] {
            assert!(parquet_rows(bytes).err().unwrap().to_string().contains("not a readable Parquet file"));
        }
    }
}
