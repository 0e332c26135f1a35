import java.io.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.atomic.*;
import org.apache.avro.Schema;
import org.apache.avro.generic.*;
import org.apache.avro.io.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;
import org.locationtech.jts.geom.*;
import org.locationtech.jts.geom.prep.*;
import org.locationtech.jts.index.strtree.STRtree;

/** The job in Kafka Streams: locate -> repartition by grid (Kafka topic) -> processor with two RocksDB stores (changelogged) -> two sinks. */
public class GridJob {
  static final String TS = "{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", MAP = "{\"type\":\"map\",\"values\":\"string\"}";
  static String f(String n, String t) { return "{\"name\":\"" + n + "\",\"type\":" + t + "}"; }
  static Schema rec(String name, String ns, String... fs) {
    return new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"" + name + "\",\"namespace\":\"" + ns + "\",\"fields\":[" + String.join(",", fs) + "]}");
  }
  static final String STR = "\"string\"";
  static Schema event(String n) {
    return rec(n, "hub.in", f("event_id", STR), f("source", STR), f("type", STR), f("occurred_at", TS), f("lon", "[\"null\",\"double\"]"),
        f("lat", "[\"null\",\"double\"]"), f("address", "[\"null\",\"string\"]"), f("severity", "\"int\""), f("payload", MAP));
  }
  static final Schema POWER = event("Power"), POLICE = event("Police");
  static final Schema NORM = rec("Normalised", "hub", f("event_id", STR), f("source", STR), f("category", STR), f("occurred_at", TS), f("grid_id", STR),
      f("incident_id", STR), f("opened", "\"boolean\""), f("lon", "\"double\""), f("lat", "\"double\""), f("severity", "\"int\""), f("payload", MAP));
  static final Schema TASK = rec("Task", "hub", f("task_id", STR), f("incident_id", STR), f("event_id", STR), f("grid_id", STR), f("category", STR),
      f("role", STR), f("severity", "\"int\""), f("created_at", TS), f("due_at", TS));

  static final class Codec {                      // one per thread
    final DatumReader<GenericRecord> r1 = new GenericDatumReader<>(POWER), r2 = new GenericDatumReader<>(POLICE);
    final DatumWriter<GenericRecord> wn = new GenericDatumWriter<>(NORM), wt = new GenericDatumWriter<>(TASK);
    BinaryDecoder d; BinaryEncoder e; final ByteArrayOutputStream b = new ByteArrayOutputStream(512);
    GenericRecord dec(byte[] v) {
      try {
        int id = ByteBuffer.wrap(v, 1, 4).getInt();
        d = DecoderFactory.get().binaryDecoder(v, 5, v.length - 5, d);
        return (id == 101 ? r1 : r2).read(null, d);
      } catch (IOException x) { throw new UncheckedIOException(x); }
    }
    byte[] enc(int id, GenericRecord r) {
      try {
        b.reset(); b.write(0); b.write(id >> 24); b.write(id >> 16); b.write(id >> 8); b.write(id);
        e = EncoderFactory.get().binaryEncoder(b, e);
        (id == 201 ? wn : wt).write(r, e); e.flush();
        return b.toByteArray();
      } catch (IOException x) { throw new UncheckedIOException(x); }
    }
  }
  static final ThreadLocal<Codec> CODEC = ThreadLocal.withInitial(Codec::new);

  record Cell(String id, PreparedGeometry g) {}
  static final GeometryFactory GF = new GeometryFactory();
  static final STRtree TREE = new STRtree();
  static final Map<String, double[]> GAZ = new HashMap<>();
  static void load(Path dir) throws IOException {
    for (String l : Files.readAllLines(dir.resolve("grids.tsv"))) {
      String[] p = l.split("\t"); Coordinate[] c = new Coordinate[5];
      for (int i = 0; i < 4; i++) c[i] = new Coordinate(Double.parseDouble(p[1 + 2 * i]), Double.parseDouble(p[2 + 2 * i]));
      c[4] = c[0];
      Polygon q = GF.createPolygon(c);
      TREE.insert(q.getEnvelopeInternal(), new Cell(p[0], PreparedGeometryFactory.prepare(q)));
    }
    TREE.build();
    for (String l : Files.readAllLines(dir.resolve("gazetteer.tsv"), StandardCharsets.UTF_8)) {
      String[] p = l.split("\t"); GAZ.put(p[0], new double[] {Double.parseDouble(p[1]), Double.parseDouble(p[2])});
    }
  }
  static double[] place(GenericRecord e) {
    Object x = e.get("lon");
    return x == null ? GAZ.get(e.get("address").toString()) : new double[] {(Double) x, (Double) e.get("lat")};
  }
  static String locate(GenericRecord e) {
    double[] p = place(e); Point pt = GF.createPoint(new Coordinate(p[0], p[1]));
    for (Object o : TREE.query(pt.getEnvelopeInternal())) if (((Cell) o).g.intersects(pt)) return ((Cell) o).id;
    throw new IllegalStateException("no grid");
  }

  static final AtomicBoolean FIRST = new AtomicBoolean();
  static void first() {
    if (!FIRST.get() && FIRST.compareAndSet(false, true)) try {
      Path t = Path.of(System.getenv("BENCH_FIRST") + ".tmp");
      Files.writeString(t, String.valueOf(System.currentTimeMillis() / 1000.0)); Files.move(t, Path.of(System.getenv("BENCH_FIRST")));
    } catch (IOException x) { throw new UncheckedIOException(x); }
  }

  static class Dedup implements Processor<String, byte[], String, byte[]> {
    ProcessorContext<String, byte[]> ctx; KeyValueStore<String, Long> seen; KeyValueStore<String, byte[]> open;
    public void init(ProcessorContext<String, byte[]> c) { ctx = c; seen = c.getStateStore("seen"); open = c.getStateStore("open"); }
    public void process(org.apache.kafka.streams.processor.api.Record<String, byte[]> in) {
      Codec c = CODEC.get(); GenericRecord e = c.dec(in.value()); String eid = e.get("event_id").toString(), grid = in.key();
      long t = (Long) e.get("occurred_at");
      if (seen.putIfAbsent(eid, t) != null) return;
      String cat = e.get("source") + "." + e.get("type"), k = grid + "|" + cat, inc; boolean opened = true;
      byte[] o = open.get(k);                                  // 8 bytes last time + incident id
      if (o != null && t - ByteBuffer.wrap(o).getLong() <= 600_000) {
        opened = false; inc = new String(o, 8, o.length - 8, StandardCharsets.UTF_8);
        if (t > ByteBuffer.wrap(o).getLong()) { ByteBuffer.wrap(o).putLong(t); open.put(k, o); }
      } else {
        inc = "inc-" + eid; byte[] b = inc.getBytes(StandardCharsets.UTF_8);
        open.put(k, ByteBuffer.allocate(8 + b.length).putLong(t).put(b).array());
      }
      double[] p = place(e); GenericRecord n = new GenericData.Record(NORM);
      n.put(0, e.get("event_id")); n.put(1, e.get("source")); n.put(2, cat); n.put(3, t); n.put(4, grid); n.put(5, inc); n.put(6, opened);
      n.put(7, p[0]); n.put(8, p[1]); n.put(9, e.get("severity")); n.put(10, e.get("payload"));
      ctx.forward(in.withValue(c.enc(201, n)), "norm");
      if (opened) for (String role : ROLES) {
        GenericRecord k2 = new GenericData.Record(TASK); int s = (Integer) e.get("severity");
        k2.put(0, inc + "/" + role); k2.put(1, inc); k2.put(2, eid); k2.put(3, grid); k2.put(4, cat); k2.put(5, role); k2.put(6, s); k2.put(7, t);
        k2.put(8, t + 3_600_000L * (5 - s));
        ctx.forward(in.withValue(c.enc(202, k2)), "task");
      }
    }
  }
  static final String[] ROLES = {"grid-worker", "department"};

  public static void main(String[] a) throws Exception {
    Map<String, String> env = System.getenv();
    boolean eos = "1".equals(env.get("BENCH_EXACTLY_ONCE")), cache = a.length > 1 && a[1].equals("cache");
    load(Path.of(env.get("BENCH_DATA")));
    Properties p = new Properties();
    p.put("application.id", env.get("BENCH_GROUP")); p.put("bootstrap.servers", env.get("BENCH_BROKER")); p.put("auto.offset.reset", "earliest");
    p.put("processing.guarantee", eos ? "exactly_once_v2" : "at_least_once"); p.put("num.stream.threads", a[0]);
    p.put("producer.linger.ms", env.getOrDefault("BENCH_LINGER_MS", "10")); p.put("producer.batch.size", 262144);
    p.put("commit.interval.ms", (int) (Double.parseDouble(env.get("BENCH_COMMIT_S")) * 1000)); p.put("state.dir", env.get("BENCH_STATE"));
    p.put("replication.factor", 1); p.put("statestore.cache.max.bytes", 64 << 20);
    p.put("main.consumer.fetch.max.wait.ms", 20);
    StoreBuilder<?> seen = cache ? Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("seen"), Serdes.String(), Serdes.Long()).withCachingEnabled()
        : Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("seen"), Serdes.String(), Serdes.Long());
    StoreBuilder<?> open = cache ? Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("open"), Serdes.String(), Serdes.ByteArray()).withCachingEnabled()
        : Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("open"), Serdes.String(), Serdes.ByteArray());
    // the stateful part with the Processor API: one node, two stores, two sinks
    StreamsBuilder sb = new StreamsBuilder();
    KStream<String, byte[]> src = sb.stream(Arrays.asList(env.get("BENCH_INPUTS").split(",")), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .selectKey((k, v) -> { first(); return locate(CODEC.get().dec(v)); })
        .repartition(Repartitioned.with(Serdes.String(), Serdes.ByteArray()).withName("by-grid").withNumberOfPartitions(6));
    sb.addStateStore(seen); sb.addStateStore(open);
    KStream<String, byte[]> outs = src.process(Dedup::new, Named.as("dedup"), "seen", "open");
    Topology top = sb.build();
    top.addSink("norm", env.get("BENCH_NORM"), Serdes.String().serializer(), Serdes.ByteArray().serializer(), "dedup");
    top.addSink("task", env.get("BENCH_TASK"), Serdes.String().serializer(), Serdes.ByteArray().serializer(), "dedup");
    KafkaStreams s = new KafkaStreams(top, p);
    s.setUncaughtExceptionHandler(x -> { x.printStackTrace(); return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_APPLICATION; });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> s.close(java.time.Duration.ofSeconds(5))));
    s.start();
  }
}
