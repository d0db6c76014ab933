"""Start a Dask cluster on SLURM for `workbench prepare NAME --cluster cluster.json`, and keep it up until Ctrl-C.

Run it on a login node, inside tmux or screen, from the environment that has the workbench:

    pip install dask-jobqueue 'workbench[cluster]'
    python docs/slurm_cluster.py --partition cpu --account thesis --jobs 4

Each job is one SLURM job with `--processes` workers; jobs that end (time limit, a node that fails) are replaced.
"""

import argparse
import sys
import time
from pathlib import Path

from dask_jobqueue import SLURMCluster


def cluster_of(given: argparse.Namespace) -> SLURMCluster:
    """Return the cluster, which has asked for no job yet."""
    return SLURMCluster(
        # What each SLURM job gets. One thread a worker: decoders and detectors do not share a process.
        queue=given.partition,
        account=given.account,
        walltime=given.walltime,
        cores=given.processes,
        processes=given.processes,
        memory=f"{2 * given.processes} GB",  # a worker takes some 0.5 GB, and 1 GB for a recording of ten minutes
        # More lines `#SBATCH ...`, as your site asks for them.
        job_extra_directives=[],  # such as ["--constraint=skylake"]
        # Shell lines that set up the environment on the node, before the worker starts.
        job_script_prologue=[],  # such as ["module load python/3.11"]
        python=sys.executable,  # the same environment on every node: /home is shared, or install it on each
        # Scratch of the node, if it has one: workers put little there.
        local_directory=given.scratch,
        log_directory="slurm-logs",
        # A worker that hears nothing from the scheduler for a minute ends, and its job with it. `--lifetime` lets it
        # end before SLURM ends it, in its own time, so that no clip is begun in vain.
        worker_extra_args=["--lifetime", given.lifetime, "--lifetime-stagger", "2m"],
        # The network card by which nodes see the login node, such as ib0; none lets Dask choose.
        interface=given.interface,
        scheduler_options={"dashboard": False},
    )


def main() -> None:
    """Ask for jobs, write the scheduler's file, wait."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partition", required=True, help="SLURM's partition (sbatch -p)")
    parser.add_argument("--account", help="what the time is booked on (sbatch -A)")
    parser.add_argument("--jobs", type=int, default=4, help="SLURM jobs at most; few clips take fewer")
    parser.add_argument("--processes", type=int, default=8, help="workers a job, and its cores")
    parser.add_argument("--walltime", default="02:00:00")
    parser.add_argument("--lifetime", default="110m", help="somewhat less than the walltime")
    parser.add_argument("--scratch", default="/tmp")
    parser.add_argument("--interface")
    parser.add_argument("--file", type=Path, default=Path("cluster.json"), help="the scheduler's file to write")
    given = parser.parse_args()
    with cluster_of(given) as cluster:
        print(cluster.job_script())
        cluster.adapt(minimum_jobs=1, maximum_jobs=given.jobs)  # jobs as long as there is work
        given.file.write_text(f'{{"address": "{cluster.scheduler_address}"}}\n')
        print(f"workbench prepare NAME --cluster {given.file}      (Ctrl-C here ends the cluster)")
        try:
            while True:
                time.sleep(60)
        except KeyboardInterrupt:
            given.file.unlink()


if __name__ == "__main__":
    main()
