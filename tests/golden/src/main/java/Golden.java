import com.fasterxml.jackson.databind.ObjectMapper;
import io.trino.Session;
import io.trino.spi.ErrorCodeSupplier;
import io.trino.spi.StandardErrorCode;
import io.trino.spi.TrinoException;
import io.trino.spi.type.ArrayType;
import io.trino.spi.type.MapType;
import io.trino.spi.type.RowType;
import io.trino.spi.type.SqlVarbinary;
import io.trino.spi.type.TimeZoneKey;
import io.trino.spi.type.Type;
import io.trino.sql.parser.ParsingException;
import io.trino.testing.LocalQueryRunner;
import io.trino.testing.MaterializedResult;
import io.trino.testing.MaterializedRow;
import io.trino.testing.TestingSession;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Answers a file of queries, one a line, with a file of JSON objects, one a line: the types and
 * the rows of the result, or the name of the error.
 *
 * <p>Numbers that JSON has are numbers; maps are lists of pairs; binaries are hex digits; every
 * other value is the text that Trino prints.
 */
public final class Golden {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Golden() {}

    public static void main(String[] arguments) throws Exception {
        Session session = TestingSession.testSessionBuilder()
                .setTimeZoneKey(TimeZoneKey.UTC_KEY)
                .setStart(Instant.parse(arguments[2]))
                .build();
        List<String> answers = new ArrayList<>();
        try (LocalQueryRunner runner = LocalQueryRunner.create(session)) {
            for (String query : Files.readAllLines(Path.of(arguments[0]))) {
                answers.add(JSON.writeValueAsString(answer(runner, query)));
            }
        }
        Files.write(Path.of(arguments[1]), answers);
        System.exit(0);
    }

    private static Map<String, Object> answer(LocalQueryRunner runner, String query) {
        Map<String, Object> answer = new TreeMap<>();
        try {
            MaterializedResult result = runner.execute(query);
            List<Type> types = result.getTypes();
            answer.put("types", types.stream().map(Type::getDisplayName).toList());
            answer.put("rows", result.getMaterializedRows().stream().map(r -> row(r, types)).toList());
        }
        catch (RuntimeException | AssertionError failure) {
            answer.put("error", errorName(failure));
            answer.put("message", String.valueOf(failure.getMessage()));
        }
        return answer;
    }

    private static String errorName(Throwable failure) {
        if (failure instanceof TrinoException known) {
            return known.getErrorCode().getName();
        }
        ErrorCodeSupplier code = failure instanceof ParsingException
                ? StandardErrorCode.SYNTAX_ERROR
                : StandardErrorCode.GENERIC_INTERNAL_ERROR;
        return code.toErrorCode().getName();
    }

    private static List<Object> row(MaterializedRow row, List<Type> types) {
        return values(row.getFields(), types);
    }

    private static List<Object> values(List<?> values, List<Type> types) {
        List<Object> found = new ArrayList<>();
        for (int i = 0; i < types.size(); i++) {
            found.add(value(values.get(i), types.get(i)));
        }
        return found;
    }

    private static Object value(Object value, Type type) {
        if (value == null || value instanceof Boolean || value instanceof Byte
                || value instanceof Short || value instanceof Integer || value instanceof Long) {
            return value;
        }
        if (type instanceof RowType row) {
            return values((List<?>) value, row.getTypeParameters());
        }
        if (type instanceof ArrayType array) {
            List<Object> items = new ArrayList<>();
            for (Object item : (List<?>) value) {
                items.add(value(item, array.getElementType()));
            }
            return items;
        }
        if (type instanceof MapType map) {
            List<Object> pairs = new ArrayList<>();
            ((Map<?, ?>) value).forEach((k, v) -> {
                List<Object> pair = new ArrayList<>();
                pair.add(value(k, map.getKeyType()));
                pair.add(value(v, map.getValueType()));
                pairs.add(pair);
            });
            return pairs;
        }
        if (value instanceof SqlVarbinary binary) {
            return HexFormat.of().formatHex(binary.getBytes());
        }
        return value.toString();
    }
}
