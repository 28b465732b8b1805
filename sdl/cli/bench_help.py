"""What ``sdl bench --help`` says."""

BENCH_HELP = """\
Measures the program; exits 0 when the bench ran, whatever its gates say.

physics: validation gates V1 to V9 against conservation, LSODA and measured data (15 minutes).
env: decisions of the simulated reactor per second (a minute, the first time with compilation).
gpu: its physics on an NVIDIA GPU, which this bench needs. train: trained policies beside
random, published, best fixed recipe and oracle (an hour, --stored minutes). targets: one policy
for all targets, and targets that a policy has never met (hours, --stored minutes). response:
whether shipped policies answer to colder furnaces, other gases and a narrow belief (minutes).
offline: policies from logs alone, and what is told of 20 policies from logs (15 minutes).
adapt: laboratories two prior deviations off or of another structure (20 minutes).
loop: policies in paired simulated laboratories, and what the loop costs beside a bare RunEngine
(10 minutes). crash: kills of the demo, resumed and compared (20 minutes). routes: experiments
needed on 188 measured syntheses (5 minutes). safety: a million raw recipes, steps, actions and
commands against limits, masks and drivers (minutes). wire: a campaign over sockets beside the same
recipes in process, and controllers killed and resumed (half an hour). faults: 27 faults of
instruments, samples and controllers provoked, one gate each (half an hour). instruments: what a
point costs through each driver and face, 100,000 frames for every parser, documents per second
(minutes). sequences: orders by every way, in process and over sockets, against the limits (20
minutes). --quick takes a minute or two, of wire and faults ten.
"""
