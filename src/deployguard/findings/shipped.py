"""Findings about what was shipped: the image never arrived, or is old or unusable inside."""

from __future__ import annotations

from deployguard.findings.kind import Kind
from deployguard.model import Severity

UPDATE = "aws lambda update-function-code --function-name FUNCTION --image-uri REPOSITORY@DIGEST"
BUILD = "docker build $(deployguard stamp) --provenance=false ."

KINDS = {
    "DG101": Kind(
        "The function does not run this image",
        "the deploy step did not update the function, or updated another one",
        "run UpdateFunctionCode with the image's digest, then check again",
        UPDATE,
    ),
    "DG102": Kind(
        "No build id is known for the image",
        "it was built without the labels that `deployguard stamp` prints, or the role may not "
        "read it from ECR",
        "build with `docker build $(deployguard stamp) .`, or pass the build's --stamp file",
        BUILD,
        expected="a build id in the image's labels, or in a stamp file of the pipeline",
    ),
    "DG103": Kind(
        "The stamp file and the image disagree",
        "the pipeline passes the stamp of another build, or the function was not given this "
        "build's image",
        "deploy the image that this stamp was copied into, or pass the stamp of the one that runs",
        UPDATE,
        expected="one build id in both",
        severity=Severity.REFUSED,
    ),
    "DG104": Kind(
        "The image is old inside",
        "a build cache or a stale build context put another build's stamp into this image",
        "write the stamp before `docker build`, and copy it in after the cached steps",
        "docker build --no-cache $(deployguard stamp) --provenance=false .",
    ),
    "DG105": Kind(
        "The function's last update failed",
        "AWS shows the new digest but could not apply it, and the old code keeps serving",
        "mend what the reason names, then update the function again",
        UPDATE,
        expected="a last update that was successful",
        severity=Severity.REFUSED,
    ),
    "DG106": Kind(
        "The function's update is not finished",
        "AWS is still applying the new image, and the old code serves meanwhile",
        "wait for the update and check again, or give a longer --timeout",
        "aws lambda wait function-updated-v2 --function-name FUNCTION",
        expected="a function that is active, and an update that is successful",
    ),
    "DG107": Kind(
        "Containers from before the update claim this build",
        "two images were given one build id, or only the configuration was updated",
        "give each build a build id of its own, as `deployguard stamp` does; "
        "or wait until these containers are gone",
        BUILD,
        expected="containers that were born after the update, or another build id",
    ),
    "DG108": Kind(
        "The function is no container image",
        "it was created from a zip file, as every function at the edge of CloudFront is",
        "create it anew from an image, or leave it out: deployguard proves container images",
        "aws lambda create-function --function-name NAME --package-type Image "
        "--code ImageUri=REPOSITORY@DIGEST --role ROLE",
        expected="package type Image",
        severity=Severity.REFUSED,
    ),
    "DG109": Kind(
        "AWS cannot run the image",
        "AWS could not fetch, unpack or start it when it created the function or the version",
        "mend what the reason names, then deploy again",
        UPDATE,
        expected="state Active",
        severity=Severity.REFUSED,
    ),
    "DG110": Kind(
        "The image is an index",
        "the build attached provenance or SBOM attestations, or several platforms",
        "build one platform with --provenance=false --sbom=false, push, and deploy again",
        "docker build --platform PLATFORM --provenance=false --sbom=false $(deployguard stamp) .",
        expected="the manifest of one image",
        severity=Severity.REFUSED,
    ),
    "DG111": Kind(
        "ECR does not have the image",
        "it was never pushed, or a lifecycle policy removed it",
        "push the image again before Lambda has to fetch it, or name one that exists",
        "docker push REPOSITORY:TAG",
        expected="an image in ECR",
        severity=Severity.REFUSED,
    ),
    "DG112": Kind(
        "The image is for another processor",
        "the build ran on another processor than the function does",
        "build with --platform for the function's processor, or change its Architectures",
        "docker build --platform PLATFORM --provenance=false $(deployguard stamp) .",
        severity=Severity.REFUSED,
    ),
    "DG113": Kind(
        "The function replaces the image's handler",
        "ImageConfig of the function outweighs what the Dockerfile says, and an update of the "
        "code leaves it as it was",
        "remove it from the function, or make sure that it names the handler with @canary",
        "aws lambda update-function-configuration --function-name FUNCTION --image-config '{}'",
        expected="the entry point, command and working directory of the image",
        severity=Severity.WARNING,
    ),
    "DG114": Kind(
        "The image holds no stamp",
        "the stamp was not copied in, or .dockerignore, the build context or another build "
        "stage left it out",
        "copy build-stamp.json into the last stage of the image, and build again",
        BUILD,
        expected="build-stamp.json in the image",
    ),
}
