import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.SafeModeAction;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSNNTopology;
import org.apache.hadoop.hdfs.client.HdfsDataInputStream;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.ha.HATestUtil;
import org.apache.hadoop.minikdc.MiniKdc;
import org.apache.hadoop.security.SecurityUtil;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.util.ToolRunner;

/**
 * A real HDFS in one process, driven through standard input and output.
 *
 * <p>Each line of input is a JSON list, a command and its arguments; each is answered by one line, {"result": ...} or
 * {"error": "..."}. The first line of output tells where the cluster is. Hadoop's own output goes to standard error. The
 * process ends with its input, so that it never outlives who started it.
 *
 * <p>Arguments: the directory to work in, then words: "high-availability" (two namenodes, the first one active),
 * "kerberos" (a KDC beside the cluster), "datanodes=N", and Hadoop properties as "key=value".
 */
public final class HdfsCluster {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int DATANODE_START_MILLISECONDS = 30_000;

  private final MiniDFSCluster cluster;
  private final boolean highAvailability;
  /** Where each datanode listens, in the order in which they were started: a stopped one keeps its number. */
  private final List<String> addresses = new ArrayList<>();
  private final Map<Integer, MiniDFSCluster.DataNodeProperties> stopped = new HashMap<>();
  private final Map<String, FSDataOutputStream> writers = new HashMap<>();

  private HdfsCluster(File directory, Configuration configuration, int datanodes, boolean highAvailability)
      throws IOException {
    this.highAvailability = highAvailability;
    MiniDFSCluster.Builder builder =
        new MiniDFSCluster.Builder(configuration, directory).numDataNodes(datanodes).checkExitOnShutdown(false);
    if (highAvailability) {
      builder.nnTopology(MiniDFSNNTopology.simpleHATopology());
    }
    cluster = builder.build();
    cluster.waitActive();
    if (highAvailability) {
      cluster.transitionToActive(0);
    }
    for (DataNode datanode : cluster.getDataNodes()) {
      addresses.add(datanode.getDatanodeId().getXferAddr());
    }
  }

  public static void main(String[] arguments) throws Exception {
    // Standard output belongs to the answers; whatever else prints goes to the log.
    PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    File directory = new File(arguments[0]);
    Configuration configuration = new HdfsConfiguration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, directory.getAbsolutePath());
    int datanodes = 3;
    boolean highAvailability = false;
    boolean kerberos = false;
    for (int index = 1; index < arguments.length; index++) {
      String[] word = arguments[index].split("=", 2);
      switch (word[0]) {
        case "high-availability" -> highAvailability = true;
        case "kerberos" -> kerberos = true;
        case "datanodes" -> datanodes = Integer.parseInt(word[1]);
        default -> configuration.set(word[0], word[1]);
      }
    }
    Map<String, Object> facts = new LinkedHashMap<>();
    if (kerberos) {
      facts.putAll(startKerberos(directory, configuration));
    }
    HdfsCluster running = new HdfsCluster(directory, configuration, datanodes, highAvailability);
    facts.putAll(running.facts());
    answers.println(JSON.writeValueAsString(facts));
    running.answer(answers);
    running.cluster.shutdown();
    System.exit(0); // Hadoop leaves threads that would keep the process alive
  }

  /** Start a KDC and have the configuration ask for Kerberos; return where its files are. */
  private static Map<String, Object> startKerberos(File directory, Configuration configuration) throws Exception {
    directory.mkdirs();
    Properties settings = MiniKdc.createConf();
    MiniKdc kdc = new MiniKdc(settings, directory);
    kdc.start();
    File keytab = new File(directory, "test.keytab");
    String service = System.getProperty("user.name");
    kdc.createPrincipal(keytab, service + "/localhost", "HTTP/localhost", "alice");
    SecurityUtil.setAuthenticationMethod(UserGroupInformation.AuthenticationMethod.KERBEROS, configuration);
    MiniDFSCluster.setupKerberosConfiguration(
        configuration, service, kdc.getRealm(), keytab.getAbsolutePath(), directory.getAbsolutePath(), sslDirectory());
    // Without certificates, which have nothing to do with Kerberos; a datanode takes that in tests only.
    configuration.set("dfs.http.policy", "HTTP_ONLY");
    configuration.setBoolean("ignore.secure.ports.for.testing", true);
    UserGroupInformation.setConfiguration(configuration);
    UserGroupInformation.loginUserFromKeytab(
        service + "/localhost@" + kdc.getRealm(), keytab.getAbsolutePath());
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("realm", kdc.getRealm());
    facts.put("keytab", keytab.getAbsolutePath());
    facts.put("krb5_conf", kdc.getKrb5conf().getAbsolutePath());
    facts.put("service", service);
    return facts;
  }

  /** The directory on the class path into which Hadoop's key store test helper writes its configuration. */
  private static String sslDirectory() throws Exception {
    return new File(HdfsCluster.class.getProtectionDomain().getCodeSource().getLocation().toURI()).getParent();
  }

  private Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    List<String> namenodes = new ArrayList<>();
    List<String> pages = new ArrayList<>();
    for (int index = 0; index < cluster.getNumNameNodes(); index++) {
      InetSocketAddress page = cluster.getNameNode(index).getHttpAddress();
      namenodes.add("localhost:" + cluster.getNameNodePort(index));
      pages.add(page == null ? null : "localhost:" + page.getPort());
    }
    facts.put("namenodes", namenodes);
    facts.put("http_addresses", pages);
    facts.put("datanodes", addresses);
    return facts;
  }

  private void answer(PrintStream answers) throws IOException {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      Map<String, Object> answer = new HashMap<>();
      try {
        String[] words = JSON.readValue(line, String[].class);
        answer.put("result", carryOut(words));
      } catch (Throwable trouble) { // whatever it is, the other side waits for an answer
        trouble.printStackTrace();
        answer.put("error", trouble.toString());
      }
      answers.println(JSON.writeValueAsString(answer));
    }
  }

  private Object carryOut(String[] words) throws Exception {
    switch (words[0]) {
      case "stop-datanode":
        stopDatanode(Integer.parseInt(words[1]), words.length > 2 && words[2].equals("noticed"));
        return null;
      case "start-datanode":
        startDatanode(Integer.parseInt(words[1]));
        return null;
      case "stop-namenode":
        cluster.shutdownNameNode(Integer.parseInt(words[1]));
        return null;
      case "restart-namenode":
        cluster.restartNameNode(Integer.parseInt(words[1]), !highAvailability);
        return null;
      case "activate":
        activate(Integer.parseInt(words[1]));
        return null;
      case "safe-mode":
        return fileSystem().setSafeMode(SafeModeAction.valueOf(words[1].toUpperCase()));
      case "quota":
        fileSystem().setQuota(new Path(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]));
        return null;
      case "touch":
        fileSystem().setTimes(new Path(words[1]), Long.parseLong(words[2]), -1);
        return null;
      case "lease-limits":
        cluster.setLeasePeriod(Long.parseLong(words[1]), Long.parseLong(words[2]));
        return null;
      case "recover-lease":
        return fileSystem().recoverLease(new Path(words[1]));
      case "visible-length":
        try (FSDataInputStream file = fileSystem().open(new Path(words[1]))) {
          return ((HdfsDataInputStream) file).getVisibleLength();
        }
      case "writer":
        write(words[1], words[2], words.length > 3 ? words[3] : "");
        return null;
      case "shell":
        return shell(Arrays.copyOfRange(words, 1, words.length));
      default:
        throw new IllegalArgumentException("unknown command: " + words[0]);
    }
  }

  private DistributedFileSystem fileSystem() throws Exception {
    if (highAvailability) {
      return HATestUtil.configureFailoverFs(cluster, new Configuration(cluster.getConfiguration(0)));
    }
    return cluster.getFileSystem();
  }

  /** Stop a datanode. Unless it is to be noticed, the namenode goes on listing it for ten minutes. */
  private void stopDatanode(int number, boolean noticed) throws IOException {
    MiniDFSCluster.DataNodeProperties properties = cluster.stopDataNode(addresses.get(number));
    if (properties == null) {
      throw new IllegalStateException("datanode " + number + " is not running");
    }
    stopped.put(number, properties);
    if (noticed) {
      cluster.setDataNodeDead(properties.getDatanode().getDatanodeId());
    }
  }

  /** Start a datanode again. Not by waitActive(), which waits for ever while another one is dead and unnoticed. */
  private void startDatanode(int number) throws Exception {
    if (!stopped.containsKey(number)) {
      return;
    }
    cluster.restartDataNode(stopped.remove(number), true);
    for (DataNode datanode : cluster.getDataNodes()) {
      if (datanode.getXferAddress().getPort() == portOf(addresses.get(number))) {
        cluster.waitDatanodeFullyStarted(datanode, DATANODE_START_MILLISECONDS);
      }
    }
    cluster.triggerHeartbeats();
  }

  private static int portOf(String address) {
    return Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
  }

  private void activate(int number) throws IOException {
    for (int index = 0; index < cluster.getNumNameNodes(); index++) {
      if (index != number && cluster.getNameNode(index) != null) {
        cluster.transitionToStandby(index);
      }
    }
    cluster.transitionToActive(number);
  }

  /** Hadoop's own client as another writer. */
  private void write(String operation, String path, String text) throws Exception {
    FileSystem files = fileSystem();
    switch (operation) {
      case "create" -> writers.put(path, files.create(new Path(path), true));
      case "append" -> writers.put(path, files.append(new Path(path)));
      case "write" -> writers.get(path).write(text.getBytes(StandardCharsets.UTF_8));
      case "hflush" -> writers.get(path).hflush();
      case "close" -> writers.remove(path).close();
      default -> throw new IllegalArgumentException("unknown operation of a writer: " + operation);
    }
  }

  /** Run Hadoop's own shell here, which saves the start of a Java machine. */
  private Map<String, Object> shell(String[] words) throws Exception {
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream out = System.out;
    PrintStream err = System.err;
    PrintStream both = new PrintStream(printed, true, StandardCharsets.UTF_8);
    Map<String, Object> result = new HashMap<>();
    System.setOut(both);
    System.setErr(both);
    try {
      result.put("status", ToolRunner.run(new FsShell(new Configuration(fileSystem().getConf())), words));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
    result.put("output", printed.toString(StandardCharsets.UTF_8));
    return result;
  }
}
