import argparse
import sys

from .options import add_arguments
from .serve import serve

parser = argparse.ArgumentParser(prog="sandbox", description="A local ElevenLabs. See docs/sandbox.md.")
add_arguments(parser)
sys.exit(serve(vars(parser.parse_args())))
