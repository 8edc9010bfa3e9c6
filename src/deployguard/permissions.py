"""Which actions each command needs, on what: one table, from which policies and checks are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deployguard.scope import Need, On, Role

CHECK, VERIFY, REFRESH = "check", "verify", "refresh"
ROLLBACK, RECOVER, PRUNE = "rollback", "recover", "prune"
DOCTOR, ROUTES, HISTORY = "doctor", "routes", "history"
COMPARE, EXPLAIN = "compare", "explain"
CANARY_TEST = "canary-test"
HOOK = "hook"  # of CodeDeploy: what `deployguard.hooks.codedeploy` needs, in its function's role
PLAN = "plan"  # and what a fleet needs beside the command on each of its functions
MAP = "map"  # what `deployguard.hooks.lambda_handler` needs beside plan and the command itself
# What asks about a function, and what asks about executions.
ASKING = (CHECK, VERIFY, REFRESH, ROLLBACK, RECOVER, PRUNE, DOCTOR, ROUTES, HISTORY)
INVESTIGATING = (COMPARE, EXPLAIN)
COMMANDS = (*ASKING, *INVESTIGATING, CANARY_TEST, HOOK, PLAN, MAP)
DEPLOYING = (CHECK, VERIFY, ROLLBACK, RECOVER)
JUDGING = (CHECK, VERIFY, REFRESH, ROLLBACK, HOOK)
DISCOVERING = (CHECK, VERIFY, ROUTES, HOOK)
LOCKING = (CHECK, REFRESH, ROLLBACK, RECOVER, PRUNE)
UNSHOWN = "the callers that it shows are listed as unknown"


def _rows(
    role: Role, on: On, commands: tuple[str, ...], *actions: str, without: str = ""
) -> Iterator[Need]:
    return (Need(action, role, on, commands, without) for action in actions)


NEEDS = (
    *_rows(Role.OBSERVER, On.FUNCTION, (*ASKING, HOOK), "lambda:GetFunction"),
    *_rows(Role.OBSERVER, On.VERSIONS, (*JUDGING, DOCTOR), "lambda:GetFunction"),
    *_rows(Role.OBSERVER, On.FUNCTION, (*JUDGING, RECOVER, PRUNE, DOCTOR), "lambda:GetAlias"),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        (CHECK, REFRESH, PRUNE, ROUTES),
        "lambda:ListVersionsByFunction",
    ),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        (VERIFY, ROLLBACK, HOOK),
        "lambda:ListVersionsByFunction",
        without="an old build is not named by its version",
    ),
    *_rows(
        Role.OBSERVER,
        On.REPOSITORY,
        (*JUDGING, DOCTOR, ROUTES),
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        without="the link from stamp to digest is the pipeline's word: pass --stamp",
    ),
    *_rows(
        Role.OBSERVER,
        On.REPOSITORY,
        (CHECK, ROLLBACK, DOCTOR),
        "ecr:DescribeImages",
        without="that there is no way back, because its image is gone, is not seen",
    ),
    *_rows(
        Role.OBSERVER,
        On.ROUTES,
        (CHECK, DOCTOR),
        "lambda:GetProvisionedConcurrencyConfig",
        without="provisioned concurrency is not waited for",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (CHECK, VERIFY, REFRESH, DOCTOR, HOOK),
        "cloudwatch:GetMetricStatistics",
        "lambda:GetAccountSettings",
        without="bursts on $LATEST cannot leave room for other callers",
    ),
    *_rows(
        Role.OBSERVER,
        On.REPOSITORY,
        (DOCTOR,),
        "ecr:GetLifecyclePolicy",
        without="that a lifecycle rule will delete an image is not seen",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (DOCTOR,),
        "codedeploy:BatchGetDeployments",
        "codedeploy:ListDeployments",
        without="that CodeDeploy moves the alias, too, is not seen",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (DOCTOR,),
        "iam:GetRole",
        "iam:SimulatePrincipalPolicy",
        without="whether the role may write is not known beforehand",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (DOCTOR,),
        "lambda:ListFunctions",
        without="that other functions run other images of the repository is not seen",
    ),
    *_rows(Role.PROBER, On.ROUTES, (*JUDGING, CANARY_TEST), "lambda:InvokeFunction"),
    *_rows(
        Role.PROBER,
        On.ROUTES,
        (DOCTOR,),
        "lambda:InvokeFunction",
        without="whether the canary answers is not known beforehand",
    ),
    *_rows(Role.PROBER, On.VERSIONS, (CHECK, REFRESH, HOOK), "lambda:InvokeFunction"),
    *_rows(
        Role.SHIFTER,
        On.FUNCTION,
        LOCKING,
        "lambda:CreateAlias",
        "lambda:DeleteAlias",
        "lambda:UpdateAlias",
    ),
    *_rows(Role.SHIFTER, On.FUNCTION, (CHECK, REFRESH), "lambda:PublishVersion"),
    *_rows(
        Role.REFRESHER,
        On.FUNCTION,
        (REFRESH,),
        "lambda:DeleteFunctionConcurrency",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
        "lambda:PutFunctionConcurrency",
        "lambda:UpdateFunctionConfiguration",
    ),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        (REFRESH,),
        "lambda:GetPolicy",
        "lambda:ListAliases",
        "lambda:ListFunctionEventInvokeConfigs",
        "lambda:ListProvisionedConcurrencyConfigs",
        without="what a drain would lose is not known, so it is refused",
    ),
    *_rows(
        Role.OBSERVER,
        On.VERSIONS,
        (REFRESH,),
        "lambda:GetPolicy",
        without="what a drain would lose is not known, so it is refused",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (REFRESH,),
        "lambda:ListEventSourceMappings",
        "sqs:GetQueueAttributes",
        without="what a drain would lose is not known, so it is refused",
    ),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        (PRUNE,),
        "lambda:ListAliases",
        "lambda:ListFunctionEventInvokeConfigs",
        "lambda:ListProvisionedConcurrencyConfigs",
    ),
    *_rows(Role.OBSERVER, On.VERSIONS, (PRUNE,), "lambda:GetPolicy"),
    *_rows(Role.OBSERVER, On.ACCOUNT, (PRUNE,), "lambda:ListEventSourceMappings"),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (PRUNE,),
        "cloudwatch:GetMetricStatistics",
        without="no version is kept for having been invoked of late",
    ),
    *_rows(Role.OBSERVER, On.FUNCTION, (ROUTES,), "lambda:ListAliases"),
    *_rows(
        Role.OBSERVER, On.FUNCTION, (CHECK, VERIFY, HOOK), "lambda:ListAliases", without=UNSHOWN
    ),
    *_rows(
        Role.OBSERVER,
        On.VERSIONS,
        (ROUTES,),
        "lambda:GetFunction",
        without="older builds are not named",
    ),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        DISCOVERING,
        "lambda:GetPolicy",
        "lambda:ListFunctionUrlConfigs",
        without=UNSHOWN,
    ),
    *_rows(Role.OBSERVER, On.VERSIONS, DISCOVERING, "lambda:GetPolicy", without=UNSHOWN),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (ROUTES,),
        "cloudwatch:GetMetricStatistics",
        "cloudwatch:ListMetrics",
        without=UNSHOWN,
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        DISCOVERING,
        "apigateway:GET",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "events:ListEventBuses",
        "events:ListRules",
        "events:ListTargetsByRule",
        "lambda:ListEventSourceMappings",
        "lambda:ListFunctionEventInvokeConfigs",
        "lambda:ListFunctions",
        "pipes:ListPipes",
        "s3:GetBucketNotification",
        "scheduler:GetSchedule",
        "scheduler:ListSchedules",
        "sns:ListSubscriptions",
        "sns:ListSubscriptionsByTopic",
        "states:DescribeStateMachine",
        "states:DescribeStateMachineAlias",
        "states:ListStateMachineAliases",
        "states:ListStateMachineVersions",
        "states:ListStateMachines",
        without=UNSHOWN,
    ),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        (HISTORY,),
        "lambda:ListAliases",
        without="the log groups of older versions are not looked at",
    ),
    *_rows(
        Role.OBSERVER,
        On.VERSIONS,
        (HISTORY,),
        "lambda:GetFunction",
        without="the log groups of older versions are not looked at",
    ),
    *_rows(Role.OBSERVER, On.LOGS, (HISTORY,), "logs:FilterLogEvents"),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (HISTORY,),
        "cloudtrail:LookupEvents",
        without="when aliases were moved is not told",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "states:DescribeExecution",
        "states:GetExecutionHistory",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "states:DescribeMapRun",
        "states:ListExecutions",
        without="what the children of distributed Maps did is not known",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "states:DescribeStateMachine",
        without="what express workflows did is not known",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "states:DescribeStateMachineForExecution",
        without="what definitions say of timeouts and retries is not known",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "logs:FilterLogEvents",
        without="only the history tells which version ran, and nothing how",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "cloudtrail:LookupEvents",
        without="what an alias or $LATEST served is not known where no log line tells",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        INVESTIGATING,
        "cloudwatch:GetMetricData",
        without="throttles and concurrency are not known",
    ),
    *_rows(
        Role.OBSERVER,
        On.VERSIONS,
        INVESTIGATING,
        "lambda:GetFunction",
        without="which image a version is, and how it is configured, is not known",
    ),
    *_rows(
        Role.OBSERVER,
        On.FUNCTION,
        INVESTIGATING,
        "lambda:GetAlias",
        without="what an alias serves now is not known",
    ),
    *_rows(
        Role.OBSERVER,
        On.REPOSITORY,
        INVESTIGATING,
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
        without="images have a digest, and no build id, tags or date",
    ),
    *_rows(
        Role.PROBER,
        On.ACCOUNT,
        (HOOK,),
        "codedeploy:PutLifecycleEventHookExecutionStatus",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (HOOK,),
        "codedeploy:GetDeployment",
        without="DEPLOYGUARD_FUNCTION has to name the version or the alias",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (PLAN,),
        "lambda:ListFunctions",
        without="functions are found by their names only, and forgotten ones not at all",
    ),
    *_rows(
        Role.OBSERVER,
        On.ACCOUNT,
        (PLAN,),
        "lambda:ListTags",
        without="functions are not found by their tags",
    ),
    *_rows(
        Role.OBSERVER,
        On.REPOSITORY,
        (PLAN,),
        "ecr:DescribeImages",
        without="functions are not found by their repository, and forgotten ones not at all",
    ),
    *_rows(
        Role.OBSERVER,
        On.ROLES,
        (PLAN,),
        "sts:AssumeRole",
        without="functions of other accounts are not checked",
    ),
    *_rows(Role.OBSERVER, On.REPORTS, (MAP,), "s3:GetObject"),
    *_rows(Role.PROBER, On.REPORTS, (MAP,), "s3:PutObject"),
    *_rows(Role.PRUNER, On.VERSIONS, (PRUNE,), "lambda:DeleteFunction"),
)


def of(commands: Iterable[str]) -> tuple[Need, ...]:
    """Return what some commands need."""
    wanted = set(commands)
    return tuple(need for need in NEEDS if wanted & set(need.commands))
